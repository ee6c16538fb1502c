"""What control planes' records say of pods, workloads and nodes, kept so that a walk finds it.

Names are unique within a cluster only, and the records of several clusters may come together, so
every table has the cluster in its keys. A log of one cluster names none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.chain_ends import AHEAD, Ended, PodEnds, cluster_of, short
from sensor.correlate.chain_index import OBJECTS_LIMIT, Pod, Thing, TriggerRecord, uid_key
from sensor.correlate.chain_nameless import NamelessPods
from sensor.correlate.chain_records import HeldRecords
from sensor.correlate.namespace_shares import NamespaceTable
from sensor.model.control_plane import (
    ActorKind,
    ControlRecord,
    Effect,
    Owner,
    Request,
    RequestOutcome,
    Touch,
    Workload,
)

if TYPE_CHECKING:
    from sensor.correlate.namespace_shares import Home

SUFFIX = 6
"""Characters that a controller adds to a pod's name: a dash and five letters."""

_FAILED = frozenset({RequestOutcome.FAILURE, RequestOutcome.UNKNOWN})
_STARTING = frozenset({Touch.CREATE, Touch.TEMPLATE, Touch.REPLICAS, Touch.RESUME, Touch.ANY})
_BY_CREATOR = {
    "replicaset-controller": "ReplicaSet",
    "replication-controller": "ReplicationController",
    "statefulset-controller": "StatefulSet",
    "daemon-set-controller": "DaemonSet",
    "job-controller": "Job",
}
_PARENTS = {"ReplicaSet": "Deployment", "Job": "CronJob"}
_GROWN = frozenset({Effect.SCALE_UP, Effect.SCALE, Effect.UNKNOWN})
_KINDS = frozenset(
    {
        "Deployment",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
    }
)
Name = tuple[str | None, str | None, str]
"""Cluster, namespace, name."""
Uid = tuple[str | None, str]
"""Cluster, uid as it is compared."""


class ClusterObjects:
    """Takes records in about their order, and finds the objects that they are about."""

    def __init__(self, limit: int = OBJECTS_LIMIT) -> None:
        # Names and uids are keys of one table, so that each namespace has one share of it.
        self._pods: NamespaceTable[Name | Uid, Pod] = NamespaceTable(2 * limit)
        self._things: NamespaceTable[tuple[str, Name] | Uid, Thing] = NamespaceTable(2 * limit)
        self._gone = 0
        self._nameless = NamelessPods()
        self._held = HeldRecords()
        self.ends = PodEnds()

    # ---------------------------------------------------------------------------- taking

    def add(self, record: ControlRecord) -> Pod | None:
        """Take a record; return the pod that it creates, or gives its uid to."""
        write, workload = record.write, record.request.workload
        if write is None or workload is None or record.request.outcome in _FAILED:
            return None
        if write.resource == "pods":
            return self._pod(record, workload, write.touches)
        if write.resource == "nodes":
            self.ends.node(record)
            return None
        self._workload(record, workload, write.touches)
        return None

    def _pod(
        self, record: ControlRecord, workload: Workload, touches: tuple[Touch, ...]
    ) -> Pod | None:
        if Touch.CREATE in touches or Touch.MIRROR in touches:
            if workload.name is None:
                self._nameless.add(record)
                return None
            return self._keep(_made(record, workload, workload.node_uid))
        if Touch.BIND in touches:
            return self._bound(record, workload)
        if Touch.DELETE in touches:
            self._deleted(record, workload)
        elif Touch.EPHEMERAL in touches or Touch.IMAGE in touches:
            found = self._the_pod(record.request, workload)
            if found is not None:
                self._held.keep((found.cluster, found.namespace), found.additions, record)
        return None

    def _the_pod(self, request: Request, workload: Workload) -> Pod | None:
        return self.pod(workload.namespace, workload.name, workload.uid, cluster_of(request))

    def _keep(self, pod: Pod) -> Pod:
        home = (pod.cluster, pod.namespace)
        owner = owner_of(pod)[0]
        thing = None if owner is None else self.owning(owner, pod)
        actor = pod.created.request.actor
        ours = actor is not None and actor.kind is ActorKind.CONTROL_PLANE
        if thing is not None and owner is not None and pod.of is None and ours:
            # Any client may write an owner into a pod: its own is nothing that the owner made.
            if thing.uid is None and owner.uid is not None:
                # A pod says which object of the name owns it: another one may come later.
                thing.uid = owner.uid
                self._count(self._things.put((pod.cluster, uid_key(owner.uid)), thing, home))
            thing.made(pod)
        if pod.name is not None:
            self._count(self._pods.put((*home, pod.name), pod, home))
        for key in pod.keys:
            self._count(self._pods.put((pod.cluster, key), pod, home))
        return pod

    def _count(self, gone: tuple[object, Pod | Thing] | None) -> None:
        """Count an object that went for want of room; its name and its uid go apart."""
        if gone is not None and not gone[1].forgotten:
            gone[1].forgotten = True
            self._gone += 1

    def _bound(self, record: ControlRecord, workload: Workload) -> Pod | None:
        pod = self._the_pod(record.request, workload)
        if pod is None:
            created = self._nameless.of(record, workload, lambda one: self._may_name(one, workload))
            if not created:
                return None
            pod = _made(created[0], workload)
            pod.rivals = tuple(created[1:])
        elif pod.uid is not None:
            pod.bind(record, workload)
            return pod
        pod.bind(record, workload)
        pod.uid = workload.uid
        return self._keep(pod)

    def _may_name(self, created: ControlRecord, workload: Workload) -> bool:
        """Return whether the client of a creation can have made a pod of that name.

        A controller names its pods after its workload.
        """
        actor = created.request.actor
        kind = None if actor is None else _BY_CREATOR.get(short(actor.name))
        if kind is None or actor is None or actor.kind is not ActorKind.CONTROL_PLANE:
            return True
        owned = owner_of(_made(created, workload))[0]
        home = (cluster_of(created.request), workload.namespace)
        return owned is not None and self._things.get((kind, (*home, owned.name))) is not None

    def _deleted(self, record: ControlRecord, workload: Workload) -> None:
        """Note the end of a pod for its owner, who replaces it."""
        home = (cluster_of(record.request), workload.namespace)
        write = record.write
        if write is not None and write.verb == "deletecollection":
            for one in write.ended or ():
                self._ended(record, one, home)
            if write.ended is None:
                self.ends.collection(record, home)
        else:
            self._ended(record, workload, home)

    def _ended(self, record: ControlRecord, workload: Workload, home: Home) -> None:
        pod = self._the_pod(record.request, workload)
        owner = workload.owner if pod is None else owner_of(pod)[0] or self.implied(pod)
        if owner is None:
            return
        uid = workload.uid if pod is None else pod.uid
        name = workload.name if pod is None else pod.name
        self.ends.take(record, Ended(owner, name, uid, None if pod is None else pod.node), home)

    def _workload(
        self, record: ControlRecord, workload: Workload, touches: tuple[Touch, ...]
    ) -> None:
        if workload.name is None or workload.kind not in _KINDS:
            return
        request = record.request
        name = (cluster_of(request), workload.namespace, workload.name)
        thing = self._written(record, workload, name, is_new=Touch.CREATE in touches)
        time = request.requested or 0
        if workload.owner is not None:
            thing.owner = workload.owner
        home = (thing.cluster, thing.namespace)
        if Touch.STATUS in touches:
            if record.write is not None and record.write.generation is not None:
                thing.acted = (record.write.generation, time)
            return
        if Touch.CREATE in touches:
            thing.created = record
            thing.parent = self.parent(thing)
            if thing.parent is not None:
                self._held.keep(home, thing.parent.children, thing)
        thing.changed(record)
        self._held.keep(home, thing.changes, record)
        if not _STARTING.isdisjoint(touches) and _asks(thing, record, touches):
            trigger = TriggerRecord(record, time, _capacity(record))
            self._held.keep(home, thing.writes, trigger, _time)

    def _written(
        self, record: ControlRecord, workload: Workload, name: Name, *, is_new: bool
    ) -> Thing:
        """Return the object that a record is about."""
        kind, uid = workload.kind, workload.uid
        if is_new and uid is None:
            known = self._things.get((kind, name))
            if known is not None and known.created is not None and known.created.key != record.key:
                # Another one of the name, whose record does not show its uid.
                new = Thing(kind, name[1], name[2], None, name[0])
                self._count(self._things.put((kind, name), new, name[:2]))
        return self._thing(kind, name, uid)

    def _thing(self, kind: str, name: Name, uid: str | None) -> Thing:
        cluster, namespace, plain = name
        found = self._things.get((cluster, uid_key(uid))) if uid is not None else None
        if found is None:
            found = self._things.get((kind, name))
            if found is not None and uid is not None and found.uid not in (None, uid):
                # The same name again is another object.
                found = None
        if found is None:
            found = Thing(kind, namespace, plain, uid, cluster)
        if uid is not None:
            found.uid = uid
            self._count(self._things.put((cluster, uid_key(uid)), found, name[:2]))
        self._count(self._things.put((kind, name), found, name[:2]))
        return found

    # ---------------------------------------------------------------------------- finding

    def parent(self, thing: Thing) -> Thing | None:
        """Return the workload that owns a workload: by its reference, else as names imply.

        Another one of the name may have come since then. Its record may also be a little late, by
        the clock of another API server.
        """
        owner, name = thing.owner, (thing.cluster, thing.namespace, stem(thing.name))
        if owner is not None and owner.uid is not None:
            name = (thing.cluster, thing.namespace, owner.name)
            return thing.parent or self._thing(owner.kind, name, owner.uid)
        kind = owner.kind if owner is not None else _PARENTS.get(thing.kind)
        if kind is None:
            return None
        if owner is not None:
            name = (thing.cluster, thing.namespace, owner.name)
        found = self._things.get((kind, name))
        if found is None or (thing.parent is not None and not _came_with(found, thing)):
            return thing.parent
        return found

    def pod(
        self, namespace: str | None, name: str | None, uid: str | None, cluster: str | None = None
    ) -> Pod | None:
        """Return a pod by its uid (or its node's), else by its name."""
        found = self._pods.get((cluster, uid_key(uid))) if uid is not None else None
        if found is None and name is not None:
            found = self._pods.get((cluster, namespace, name))
            if found is not None and uid is not None and found.uid not in (None, uid):
                return None
        return found

    def owning(self, owner: Owner, pod: Pod) -> Thing | None:
        """Return the workload that owns a pod: the one that did when the pod was made."""
        if pod.of is not None:
            return pod.of
        if owner.uid is not None:
            found = self._things.get((pod.cluster, uid_key(owner.uid)))
            if found is not None:
                return found
        found = self._things.get((owner.kind, (pod.cluster, pod.namespace, owner.name)))
        same = found is None or None in (owner.uid, found.uid) or found.uid == owner.uid
        return found if same else None

    def implied(self, pod: Pod) -> Owner | None:
        """Return the one workload whose pods have such a name; None where several could be.

        A controller manager without an account for each controller does not say which one it was.
        """
        if pod.name is None:
            return None
        owners = [
            Owner(kind, name)
            for kind in _BY_CREATOR.values()
            for name in (stem(pod.name) if kind == "StatefulSet" else pod.name[:-SUFFIX],)
            if self._things.get((kind, (pod.cluster, pod.namespace, name))) is not None
        ]
        return owners[0] if len(owners) == 1 else None

    def forgotten(self) -> int:
        """Return how many pods, workloads and writes went for want of room."""
        return self._gone + self.ends.evicted + self._held.forgotten


def owner_of(pod: Pod) -> tuple[Owner | None, bool]:
    """Return a pod's owner and whether its uid says so; else the one that its name implies."""
    held = pod.owner
    if held is not None:
        return held, held.uid is not None
    actor = pod.created.request.actor
    kind = None if actor is None else _BY_CREATOR.get(short(actor.name))
    if kind is None or pod.name is None:
        return None, False
    name = stem(pod.name) if kind == "StatefulSet" else pod.name[:-SUFFIX]
    return Owner(kind, name), False


def stem(name: str) -> str:
    """Return a name without the part that a controller added."""
    return name.rpartition("-")[0]


def _made(created: ControlRecord, workload: Workload, node_uid: str | None = None) -> Pod:
    cluster = cluster_of(created.request)
    return Pod(
        workload.namespace,
        workload.name,
        workload.uid,
        created,
        node_uid,
        cluster,
        placed=node_uid is not None,
    )


def _asks(thing: Thing, record: ControlRecord, touches: tuple[Touch, ...]) -> bool:
    """Return whether a write may ask for pods, and is not a controller's answer to another one."""
    actor, effect = record.request.actor, record.request.effect
    if actor is not None and actor.kind is ActorKind.CONTROL_PLANE:
        if thing.kind == "ReplicaSet" and Touch.CREATE not in touches:
            if effect in _GROWN:
                thing.grown, thing.grown_by = record.request.requested or 0, record
            return False
        if thing.kind != "CronJob" and Touch.CREATE in touches:
            return False
    return effect not in {Effect.SCALE_DOWN, Effect.CONFIG}


def _came_with(parent: Thing, thing: Thing) -> bool:
    """Return whether a workload was made right after one that it owns: clocks differ."""
    if parent.created is None or thing.created is None:
        return False
    since = (parent.created.request.requested or 0) - (thing.created.request.requested or 0)
    return 0 <= since <= AHEAD


def _time(trigger: TriggerRecord) -> int:
    return trigger.time


def _capacity(record: ControlRecord) -> int | None:
    """Return how many pods a write can have caused; None where it does not say so."""
    write = record.write
    if write is None or write.replicas is None:
        return None
    effect = record.request.effect
    if effect is Effect.SCALE_UP:
        grown = write.replicas - (write.old_replicas or 0)
        return grown if grown > 0 else None
    if effect in {Effect.START, Effect.ROLLOUT, Effect.RESTART}:
        return write.replicas
    return None

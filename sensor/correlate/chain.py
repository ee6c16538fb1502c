"""The walk from a pod back to who asked the control plane for it.

Rules, in their order:

1. Failed, refused and dry requests cause nothing.
2. A pod that no component of the control plane created was asked for by its creator.
3. A mirror pod is a report: the cause of a static pod is a file on its node.
4. A controller's pod leads to its owner: by uid (exact), or by name and time (inferred).
5. The walk stops at the first record whose actor is no component of the control plane.
6. A ReplicaSet's pods were caused by the latest write that can have: the write that its Deployment
   made it for, a scale, or the deletion of a sibling. Each can have caused so many pods at most.
7. Several writes of different actors that fit within ``CLOSE`` of each other are ambiguous.
8. No fitting write is no requester: a wrong one would be worse than none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.correlate.chain_index import OBJECTS_LIMIT, Pod, Recent, Thing, Trigger, uid_key
from sensor.model.control_plane import (
    ActorKind,
    ChainConfidence,
    ChainStep,
    ControlRecord,
    Effect,
    Owner,
    Request,
    RequestedBy,
    RequestOutcome,
    Touch,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 1_000_000_000
WINDOW = 600 * SECOND
"""How long after a write of unknown size its pods may come."""
CLOSE = 5 * SECOND
"""Two writes so near to each other may both have done it."""
BINDING_WINDOW = 60 * SECOND
"""How long after a nameless creation its binding may come: the scheduler needs 10 to 40 ms."""
AHEAD = 2 * SECOND
"""How much later than its effect a record's own time may be: API servers' clocks differ."""
NAMELESS_LIMIT = 10_000
"""Creations without a name that wait for their bindings."""
ENDS_LIMIT = 256
"""Ends of pods that are remembered of one owner."""
SUFFIX = 6
"""Characters that a controller adds to a pod's name: a dash and five letters."""

_STARTING = frozenset({Touch.CREATE, Touch.TEMPLATE, Touch.REPLICAS, Touch.RESUME, Touch.ANY})
_BY_CREATOR = {
    "replicaset-controller": "ReplicaSet",
    "replication-controller": "ReplicationController",
    "statefulset-controller": "StatefulSet",
    "daemon-set-controller": "DaemonSet",
    "job-controller": "Job",
}
_NODE_LOSS = frozenset({"pod-garbage-collector", "taint-eviction-controller", "node-controller"})
_GROWN = frozenset({Effect.SCALE_UP, Effect.SCALE, Effect.UNKNOWN})


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far a walk has come."""

    steps: tuple[ChainStep, ...]
    exact: bool

    def past(self, record: ControlRecord | None, *, exact: bool) -> _Walk:
        """Return the walk one record further."""
        steps = self.steps if record is None else (*self.steps, step_of(record.request))
        return _Walk(steps, self.exact and exact)


class CausalChain:
    """Takes records in about their order; answers who asked for a pod's containers."""

    def __init__(self, limit: int = OBJECTS_LIMIT) -> None:
        self._pods: Recent[tuple[str | None, str], Pod] = Recent(limit)
        self._pods_by_uid: Recent[str, Pod] = Recent(limit)
        self._things: Recent[tuple[str, str | None, str], Thing] = Recent(limit)
        self._by_uid: Recent[str, Thing] = Recent(limit)
        self._deletes: Recent[tuple[str | None, str], deque[Trigger]] = Recent(limit)
        """Ends of pods that their owner replaces, by the owner's namespace and uid or name."""
        self._nameless: deque[ControlRecord] = deque(maxlen=NAMELESS_LIMIT)
        self._nodes: deque[ControlRecord] = deque(maxlen=1024)
        self._answers: Recent[str, RequestedBy] = Recent(limit)

    # ---------------------------------------------------------------------------- taking

    def add(self, record: ControlRecord) -> Pod | None:
        """Take a record; return the pod that it creates, or gives its uid to."""
        write, workload = record.write, record.request.workload
        if write is None or workload is None or record.request.outcome in _FAILED:
            return None
        if write.resource == "pods":
            return self._pod(record, workload, write.touches)
        if write.resource == "nodes":
            self._nodes.append(record)
            return None
        self._workload(record, workload, write.touches)
        return None

    def _pod(
        self, record: ControlRecord, workload: Workload, touches: tuple[Touch, ...]
    ) -> Pod | None:
        if Touch.CREATE in touches or Touch.MIRROR in touches:
            if workload.name is None:
                self._nameless.append(record)
                return None
            pod = Pod(workload.namespace, workload.name, workload.uid, record, workload.node_uid)
            return self._keep(pod)
        if Touch.BIND in touches:
            return self._bound(record, workload)
        if Touch.DELETE in touches:
            self._deleted(record, workload)
        elif Touch.EPHEMERAL in touches or Touch.IMAGE in touches:
            found = self.pod(workload.namespace, workload.name, workload.uid)
            if found is not None:
                found.additions.append(record)
        return None

    def _keep(self, pod: Pod) -> Pod:
        if pod.name is not None:
            self._pods.put((pod.namespace, pod.name), pod)
        for key in pod.keys:
            self._pods_by_uid.put(key, pod)
        return pod

    def _bound(self, record: ControlRecord, workload: Workload) -> Pod | None:
        pod = self.pod(workload.namespace, workload.name, workload.uid)
        if pod is None:
            created = self._created_before(record, workload)
            if created is None:
                return None
            pod = Pod(workload.namespace, workload.name, workload.uid, created)
        elif pod.uid is not None:
            pod.bound = record
            return None
        pod.bound, pod.uid = record, workload.uid
        return self._keep(pod)

    def _created_before(self, record: ControlRecord, workload: Workload) -> ControlRecord | None:
        """Return the oldest nameless creation that a binding can belong to."""
        time, name = record.request.requested or 0, workload.name or ""
        for created in self._nameless:
            about, asked = created.request.workload, created.request.requested or 0
            if about is None or about.namespace != workload.namespace:
                continue
            if not time - BINDING_WINDOW <= asked <= time + AHEAD:
                continue
            if about.generate_name is not None and not name.startswith(about.generate_name):
                continue
            self._nameless.remove(created)
            return created
        return None

    def _deleted(self, record: ControlRecord, workload: Workload) -> None:
        """Note the end of a pod for its owner, who replaces it."""
        actor = record.request.actor
        if actor is None or actor.kind is ActorKind.NODE:
            return
        if actor.kind is ActorKind.CONTROL_PLANE and _short(actor.name) not in _NODE_LOSS:
            return
        pod = self.pod(workload.namespace, workload.name, workload.uid)
        owner = self._owner(pod)[0] if pod is not None else workload.owner
        if owner is None:
            return
        cause = record
        if actor.kind is ActorKind.CONTROL_PLANE:
            lost = self._node_deleted(record)
            if lost is None and _short(actor.name) == "pod-garbage-collector":
                return
            cause = lost or record
        ends = self._ends(owner, workload.namespace)
        uid = workload.uid if pod is None else pod.uid
        name = workload.name if pod is None else pod.name
        if any(one.pod_uid == uid and one.pod == name for one in ends):
            return  # Asked for again: the first deletion counts.
        ends.append(Trigger(cause, record.request.requested or 0, 1, pod=name, pod_uid=uid))

    def _ends(self, owner: Owner, namespace: str | None) -> deque[Trigger]:
        """Return the ends of an owner's pods. Another object of the same name has its own."""
        key = (namespace, owner.uid or f"{owner.kind}/{owner.name}")
        ends = self._deletes.get(key)
        if ends is None:
            ends = deque(maxlen=ENDS_LIMIT)
            self._deletes.put(key, ends)
        return ends

    def _node_deleted(self, record: ControlRecord) -> ControlRecord | None:
        time = record.request.requested or 0
        for deleted in reversed(self._nodes):
            write = deleted.write
            when = deleted.request.requested or 0
            if write is not None and Touch.DELETE in write.touches and 0 <= time - when <= WINDOW:
                return deleted
        return None

    def _workload(
        self, record: ControlRecord, workload: Workload, touches: tuple[Touch, ...]
    ) -> None:
        if workload.name is None or workload.kind not in _KINDS:
            return
        thing = self._thing(workload.kind, workload.namespace, workload.name, workload.uid)
        request = record.request
        time = request.requested or 0
        if workload.owner is not None:
            thing.owner = workload.owner
        if Touch.CREATE in touches:
            thing.created = record
            parent = self._parent(thing)
            if parent is not None:
                parent.children.append(thing)
        if not _STARTING.intersection(touches):
            return
        actor = request.actor
        ours = actor is not None and actor.kind is ActorKind.CONTROL_PLANE
        if ours and thing.kind == "ReplicaSet" and Touch.CREATE not in touches:
            if request.effect in _GROWN:
                thing.grown, thing.grown_by = time, record
            return
        if ours and thing.kind != "CronJob" and Touch.CREATE in touches:
            return
        if request.effect in {Effect.SCALE_DOWN, Effect.CONFIG}:
            return
        thing.note(Trigger(record, time, _capacity(record)))

    def _thing(self, kind: str, namespace: str | None, name: str, uid: str | None) -> Thing:
        found = self._by_uid.get(uid) if uid is not None else None
        key = (kind, namespace, name)
        if found is None:
            found = self._things.get(key)
            if found is not None and uid is not None and found.uid not in (None, uid):
                # The same name again is another object.
                found = None
        if found is None:
            found = Thing(kind, namespace, name, uid)
        if uid is not None:
            found.uid = uid
            self._by_uid.put(uid, found)
        self._things.put(key, found)
        return found

    def _parent(self, thing: Thing) -> Thing | None:
        owner = thing.owner
        if owner is not None:
            return self._thing(owner.kind, thing.namespace, owner.name, owner.uid)
        if thing.kind == "ReplicaSet":
            return self._things.get(("Deployment", thing.namespace, _stem(thing.name)))
        if thing.kind == "Job":
            return self._things.get(("CronJob", thing.namespace, _stem(thing.name)))
        return None

    # --------------------------------------------------------------------------- answering

    def pod(self, namespace: str | None, name: str | None, uid: str | None) -> Pod | None:
        """Return a pod by its uid (or its node's), else by its name."""
        found = self._pods_by_uid.get(uid_key(uid)) if uid is not None else None
        if found is None and name is not None:
            found = self._pods.get((namespace, name))
            if found is not None and uid is not None and found.uid not in (None, uid):
                return None
        return found

    def requester(
        self, pod: Pod, container: str | None = None, attempt: int | None = None
    ) -> RequestedBy | None:
        """Return who asked for a container of a pod; None where no record says it.

        A container that the pod's records do not name has no request among them.
        """
        added = self._added(pod, container, attempt)
        if added is not None:
            return _answer((added,), _Walk((), exact=pod.uid is not None))
        if attempt:
            return None
        named = pod.created.request.containers
        if container is not None and named and container not in {one.name for one in named}:
            return None
        key = f"{pod.namespace}/{pod.name}/{pod.uid}"
        known = self._answers.get(key)
        if known is None:
            known = self._walk(pod)
            if known is not None:
                self._answers.put(key, known)
        return known

    def _added(self, pod: Pod, container: str | None, attempt: int | None) -> ControlRecord | None:
        for record in reversed(pod.additions):
            write, names = record.write, {one.name for one in record.request.containers}
            if container is None or write is None or (names and container not in names):
                continue
            original = {one.name for one in pod.created.request.containers}
            if Touch.EPHEMERAL in write.touches and (names or container not in original):
                return record
            if Touch.IMAGE in write.touches and attempt:
                return record
        return None

    def _walk(self, pod: Pod) -> RequestedBy | None:
        created = pod.created
        actor, write = created.request.actor, created.write
        walk = _Walk((), exact=_whole(created) and pod.uid is not None)
        if write is not None and Touch.MIRROR in write.touches:
            return RequestedBy(
                actor=None,
                kind=ActorKind.NODE,
                confidence=ChainConfidence.EXACT,
                request_id=created.request.id,
                effect=Effect.STATIC_POD,
                time=created.request.requested,
                chain=(step_of(created.request),),
            )
        if actor is None:
            return None
        if actor.kind is not ActorKind.CONTROL_PLANE:
            return _answer((created,), walk)
        owner, exact = self._owner(pod)
        if owner is None:
            return None
        thing = self._find(owner, pod.namespace)
        if thing is None:
            return None
        walk = walk.past(pod.bound, exact=True) if pod.bound is not None else walk
        walk = walk.past(created, exact=exact and thing.uid == owner.uid)
        return self._from(thing, pod, walk)

    def _owner(self, pod: Pod) -> tuple[Owner | None, bool]:
        """Return a pod's owner and whether its uid says so; else the one that its name implies."""
        held = pod.owner
        if held is not None:
            return held, held.uid is not None
        actor = pod.created.request.actor
        kind = None if actor is None else _BY_CREATOR.get(_short(actor.name))
        if kind is None or pod.name is None:
            return None, False
        stem = _stem(pod.name) if kind == "StatefulSet" else pod.name[:-SUFFIX]
        return Owner(kind, stem), False

    def _find(self, owner: Owner, namespace: str | None) -> Thing | None:
        if owner.uid is not None and (found := self._by_uid.get(owner.uid)) is not None:
            return found
        return self._things.get((owner.kind, namespace, owner.name))

    def _from(self, thing: Thing, pod: Pod, walk: _Walk) -> RequestedBy | None:
        """Return who asked for a pod of an owner."""
        created = thing.created
        actor = None if created is None else created.request.actor
        ours = actor is not None and actor.kind is ActorKind.CONTROL_PLANE
        if thing.kind == "Job":
            return self._from_job(thing, walk, ours=ours)
        triggers = [one for one in thing.writes if one.time <= pod.time + AHEAD]
        parent = self._parent(thing) if thing.kind == "ReplicaSet" else None
        if parent is not None:
            triggers += [one for one in parent.writes if self._reaches(parent, one, thing, pod)]
        held = self._owner(pod)[0] or Owner(thing.kind, thing.name)
        ends = [one for one in self._ends(held, thing.namespace) if _makes_room(one, thing, pod)]
        ended = {id(one) for one in ends}
        fitting = [
            one for one in (*triggers, *ends) if not one.spent and self._timely(one, thing, pod)
        ]
        if not fitting:
            return None
        fitting.sort(key=lambda one: one.time)
        best = fitting[-1]
        rivals = [
            one
            for one in fitting[:-1]
            if best.time - one.time <= CLOSE and one.request.actor != best.request.actor
        ]
        best.used += 1
        tied = parent is None or _tied(thing, parent)
        over = created if parent is not None and ours else None
        if thing.grown_by is not None and best.time <= (thing.grown or 0) <= pod.time + AHEAD:
            over = thing.grown_by
        past = walk.past(over if id(best) not in ended else None, exact=tied)
        if id(best) in ended:
            return _answer(
                tuple(one.record for one in (best, *rivals)), past, Effect.REPLACEMENT, named=True
            )
        return _answer(tuple(one.record for one in (best, *rivals)), past)

    def _from_job(self, job: Thing, walk: _Walk, *, ours: bool) -> RequestedBy | None:
        """Return who made a Job, or who last wrote the CronJob that it came from."""
        created = job.created
        if created is None:
            return None
        if not ours:
            return _answer((created,), walk.past(None, exact=_whole(created)))
        schedule = self._parent(job)
        if schedule is None:
            return None
        past = walk.past(created, exact=_tied(job, schedule))
        return self._latest(schedule, (created.request.requested or 0) + AHEAD, past)

    def _reaches(self, parent: Thing, write: Trigger, thing: Thing, pod: Pod) -> bool:
        """Return whether a write of a Deployment concerns one of its ReplicaSets.

        A write of the template belongs to the ReplicaSet that was made next, or, where none was
        made, to the older one that grew again: a rollback.
        """
        if write.time > pod.time + AHEAD:
            return False
        touches = write.record.write.touches if write.record.write is not None else ()
        if set(touches) <= {Touch.REPLICAS}:
            return True
        made = None if thing.created is None else thing.created.request.requested
        following = [
            child
            for child in parent.children
            if child.created is not None
            and (child.created.request.requested or 0) >= write.time - AHEAD
        ]
        later = [one.time for one in parent.writes if one.time > write.time and _templates(one)]
        until = min(later, default=None)
        following = [
            child
            for child in following
            if until is None
            or child.created is None
            or (child.created.request.requested or 0) < until
        ]
        if any(child is not thing for child in following):
            return thing in following and following[0] is thing
        if following:
            return True
        return made is None or made <= write.time

    def _timely(self, trigger: Trigger, thing: Thing, pod: Pod) -> bool:
        if trigger.capacity is not None:
            return True
        since = trigger.time
        if thing.grown is not None and since <= thing.grown <= pod.time:
            since = thing.grown
        return pod.time - since <= WINDOW

    def _latest(self, thing: Thing, before: int, walk: _Walk) -> RequestedBy | None:
        writes = [one for one in thing.writes if one.time <= before]
        return _answer((writes[-1].record,), walk, Effect.SCHEDULE) if writes else None

    def forgotten(self) -> int:
        """Return how many pods and workloads went for want of room."""
        return self._pods.forgotten + self._things.forgotten


_FAILED = frozenset({RequestOutcome.FAILURE, RequestOutcome.UNKNOWN})
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


def _makes_room(end: Trigger, thing: Thing, pod: Pod) -> bool:
    """Return whether a pod can be in place of one that ended. A StatefulSet's has its name."""
    if not end.time - AHEAD <= pod.time <= end.time + WINDOW or (
        pod.uid is not None and end.pod_uid == pod.uid
    ):
        return False
    return thing.kind != "StatefulSet" or end.pod == pod.name


def _templates(trigger: Trigger) -> bool:
    write = trigger.record.write
    return write is not None and not set(write.touches) <= {Touch.REPLICAS}


def _whole(record: ControlRecord) -> bool:
    """Return whether a record shows the object that it made, with its uid."""
    workload = record.request.workload
    return workload is not None and workload.uid is not None


def _tied(thing: Thing, parent: Thing) -> bool:
    owner = thing.owner
    return owner is not None and owner.uid is not None and owner.uid == parent.uid


def _short(name: str) -> str:
    return name.rpartition(":")[2]


def _stem(name: str) -> str:
    return name.rpartition("-")[0]


def step_of(request: Request) -> ChainStep:
    """Return a record as a step of the chain."""
    actor, workload = request.actor, request.workload
    return ChainStep(
        action=request.action or "-",
        actor=None if actor is None else actor.name,
        request_id=request.id,
        time=request.requested,
        ref=request.ref,
        kind=None if actor is None else actor.kind,
        workload=None if workload is None else f"{workload.kind}/{workload.name or '-'}",
    )


def _answer(
    records: tuple[ControlRecord, ...],
    walk: _Walk,
    effect: Effect | None = None,
    *,
    named: bool = False,
) -> RequestedBy:
    """Return the answer that records give. ``named``: the last step met by name only."""
    best = records[0].request
    actor = best.actor
    steps = (*walk.steps, *(step_of(record.request) for record in records))
    if len(records) > 1:
        names = dict.fromkeys(
            one.request.actor.name for one in records if one.request.actor is not None
        )
        return RequestedBy(
            actor=None,
            kind=None,
            confidence=ChainConfidence.AMBIGUOUS,
            effect=effect or best.effect,
            candidates=tuple(names),
            chain=steps,
        )
    exact = walk.exact and not named and _whole(records[0])
    told = effect or best.effect
    return RequestedBy(
        actor=None if actor is None else actor.name,
        kind=None if actor is None else actor.kind,
        confidence=ChainConfidence.EXACT if exact else ChainConfidence.INFERRED,
        impersonated=None if actor is None else actor.impersonated,
        request_id=best.id,
        effect=_PLAIN.get(told, told),
        time=best.requested,
        pod_uid=None if actor is None else actor.pod_uid,
        chain=steps,
    )


_PLAIN = {Effect.UNKNOWN: Effect.ROLLOUT, Effect.SCALE: Effect.SCALE_UP}
"""What a write was, where its record does not say so and its pods do."""


def pods_of(records: Iterator[ControlRecord], chain: CausalChain) -> Iterator[Pod]:
    """Yield the pods that records identify, each once it is whole."""
    for record in records:
        pod = chain.add(record)
        if pod is not None:
            yield pod

"""The walk from a pod back to who asked the control plane for it.

Rules, in their order:

1. Failed, refused and dry requests cause nothing.
2. A pod that no component of the control plane created was asked for by its creator.
3. A mirror pod is a report: the cause of a static pod is a file on its node.
4. A controller's pod leads to its owner: by uid (exact), or by name and time (inferred).
5. The walk stops at the first record whose actor is not a component of the control plane.
6. A ReplicaSet's pods were caused by the latest write that can have: the write that its Deployment
   made it for, a scale, or the deletion of a sibling. Each can have caused so many pods at most.
7. Several writes of different actors that fit within ``CLOSE`` of each other are ambiguous.
8. Without a fitting write the requester is unknown: a wrong one would be worse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.chain_answer import Walk, static_pod, whole
from sensor.correlate.chain_index import OBJECTS_LIMIT, Pod, Recent, Thing, Trigger
from sensor.correlate.chain_objects import (
    AHEAD,
    SECOND,
    WINDOW,
    ClusterObjects,
    owner_of,
)
from sensor.model.control_plane import (
    ActorKind,
    ControlRecord,
    Effect,
    Owner,
    RequestedBy,
    Touch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = 5 * SECOND
"""Two writes so near to each other may both have done it."""


class CausalChain:
    """Takes records in about their order; answers who asked for a pod's containers."""

    def __init__(self, limit: int = OBJECTS_LIMIT) -> None:
        self._objects = ClusterObjects(limit)
        self._answers: Recent[str, RequestedBy] = Recent(limit)

    def add(self, record: ControlRecord) -> Pod | None:
        """Take a record; return the pod that it creates, or gives its uid to."""
        return self._objects.add(record)

    def pod(
        self, namespace: str | None, name: str | None, uid: str | None, cluster: str | None = None
    ) -> Pod | None:
        """Return a pod by its uid (or its node's), else by its name."""
        return self._objects.pod(namespace, name, uid, cluster)

    def forgotten(self) -> int:
        """Return how many pods and workloads went for want of room."""
        return self._objects.forgotten()

    def requester(
        self, pod: Pod, container: str | None = None, attempt: int | None = None
    ) -> RequestedBy | None:
        """Return who asked for a container of a pod; None where no record says it.

        A container that the pod's records do not name has no request among them.
        """
        added = _added(pod, container, attempt)
        if added is not None:
            return Walk((), exact=pod.uid is not None).answer((added,))
        if attempt:
            return None
        named = pod.created.request.containers
        if container is not None and named and container not in {one.name for one in named}:
            return None
        key = f"{pod.cluster}/{pod.namespace}/{pod.name}/{pod.uid}"
        known = self._answers.get(key)
        if known is None:
            known = self._walk(pod)
            if known is not None:
                self._answers.put(key, known)
        return known

    def _walk(self, pod: Pod) -> RequestedBy | None:
        created = pod.created
        actor, write = created.request.actor, created.write
        walk = Walk((), exact=whole(created) and pod.uid is not None)
        if write is not None and Touch.MIRROR in write.touches:
            return static_pod(created)
        if actor is None:
            return None
        if actor.kind is not ActorKind.CONTROL_PLANE:
            return walk.answer((created,))
        owner, exact = owner_of(pod)
        owner = owner or self._objects.implied(pod)
        thing = None if owner is None else self._objects.owning(owner, pod)
        if owner is None or thing is None:
            return None
        walk = walk.past(pod.bound, exact=True) if pod.bound is not None else walk
        walk = walk.past(created, exact=exact and thing.uid == owner.uid)
        if thing.kind == "Job":
            return self._from_job(thing, pod, walk)
        return self._from(thing, pod, walk)

    def _from(self, thing: Thing, pod: Pod, walk: Walk) -> RequestedBy | None:
        """Return who asked for a pod of an owner."""
        triggers = [one for one in thing.writes if one.time <= pod.time + AHEAD]
        parent = self._objects.parent(thing) if thing.kind == "ReplicaSet" else None
        if parent is not None:
            triggers += [one for one in parent.writes if _reaches(parent, one, thing, pod)]
        ends = self._ends(thing, pod)
        ended = {id(one) for one in ends}
        fitting = [
            one
            for one in (*triggers, *ends)
            if not one.spent and _timely(one, thing, pod) and not self._late(one, thing, pod)
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
        records = tuple(one.record for one in (best, *rivals))
        tied = parent is None or _tied(thing, parent)
        if id(best) in ended:
            past = walk.past(None, exact=tied)
            return past.answer(records, Effect.REPLACEMENT, named=True)
        over = thing.created if parent is not None and _ours(thing.created) else None
        if thing.grown_by is not None and best.time <= (thing.grown or 0) <= pod.time + AHEAD:
            over = thing.grown_by
        return walk.past(over, exact=tied).answer(records)

    def _ends(self, thing: Thing, pod: Pod) -> list[Trigger]:
        """Return the ends of an owner's pods that this one can be in place of."""
        held = owner_of(pod)[0] or Owner(thing.kind, thing.name)
        ends = self._objects.ends(held, thing.namespace, thing.cluster)
        return [one for one in ends if _makes_room(one, thing, pod)]

    def _late(self, trigger: Trigger, thing: Thing, pod: Pod) -> bool:
        """Return whether a DaemonSet's pod came for a node that joined after the write."""
        if thing.kind != "DaemonSet" or pod.node is None:
            return False
        return self._objects.joined(pod.cluster, pod.node, trigger.time, pod.time)

    def _from_job(self, job: Thing, pod: Pod, walk: Walk) -> RequestedBy | None:
        """Return who made a Job, or who last wrote the CronJob that it came from.

        Who deleted a pod of it caused the one in its place; who resumed it, what came afterwards.
        """
        created = job.created
        ends = [one for one in self._ends(job, pod) if not one.spent]
        if ends:
            ends[-1].used += 1
            return walk.answer((ends[-1].record,), Effect.REPLACEMENT, named=True)
        resumed = [
            one
            for one in job.writes
            if one.time <= pod.time + AHEAD and one.record is not created and not one.ours
        ]
        if resumed:
            return walk.answer((resumed[-1].record,))
        if created is None:
            return None
        if not _ours(created):
            return walk.past(None, exact=whole(created)).answer((created,))
        schedule = self._objects.parent(job)
        if schedule is None:
            return None
        past = walk.past(created, exact=_tied(job, schedule))
        until = (created.request.requested or 0) + AHEAD
        writes = [one for one in schedule.writes if one.time <= until]
        return past.answer((writes[-1].record,), Effect.SCHEDULE) if writes else None


def _added(pod: Pod, container: str | None, attempt: int | None) -> ControlRecord | None:
    """Return the record that added a container to a running pod, or restarted it there."""
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


def _reaches(parent: Thing, write: Trigger, thing: Thing, pod: Pod) -> bool:
    """Return whether a write of a Deployment concerns one of its ReplicaSets.

    A write of the template belongs to the ReplicaSet that was made next, or, where none was
    made, to the older one that grew again: a rollback.
    """
    if write.time > pod.time + AHEAD:
        return False
    touches = write.record.write.touches if write.record.write is not None else ()
    made = _made(thing)
    if set(touches) <= {Touch.REPLICAS}:
        # A new number makes no new ReplicaSet: what made that came later.
        return made is None or made <= write.time
    later = [one.time for one in parent.writes if one.time > write.time and _templates(one)]
    until = min(later, default=None)
    following = [
        child
        for child in parent.children
        if (begun := _made(child)) is not None
        and begun >= write.time - AHEAD
        and (until is None or begun < until)
    ]
    if any(child is not thing for child in following):
        return thing in following and following[0] is thing
    if following:
        return True
    return made is None or made <= write.time


def _timely(trigger: Trigger, thing: Thing, pod: Pod) -> bool:
    """Return whether a pod came soon enough after a write of unknown size."""
    if trigger.capacity is not None:
        return True
    since = trigger.time
    if thing.grown is not None and since <= thing.grown <= pod.time:
        since = thing.grown
    return pod.time - since <= WINDOW


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


def _ours(record: ControlRecord | None) -> bool:
    """Return whether a component of the control plane made a request."""
    actor = None if record is None else record.request.actor
    return actor is not None and actor.kind is ActorKind.CONTROL_PLANE


def _made(thing: Thing) -> int | None:
    """Return when a workload was created; None where no record says so."""
    return None if thing.created is None else thing.created.request.requested or 0


def _tied(thing: Thing, parent: Thing) -> bool:
    owner = thing.owner
    return owner is not None and owner.uid is not None and owner.uid == parent.uid


def pods_of(records: Iterator[ControlRecord], chain: CausalChain) -> Iterator[Pod]:
    """Yield the pods that records identify, each once it is whole."""
    for record in records:
        pod = chain.add(record)
        if pod is not None:
            yield pod

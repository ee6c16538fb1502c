"""The walk from a pod back to who asked the control plane for it.

Rules, in their order:

1. Failed, refused and dry requests cause nothing.
2. A pod that no component of the control plane created was asked for by its creator.
3. A mirror pod is a report: the cause of a static pod is a file on its node.
4. A controller's pod leads to its owner: by uid (exact), or by name and time (inferred).
5. The walk stops at the first record whose actor is not a component of the control plane.
6. A write that the records prove (``chain_proof``) is the cause, and makes the answer exact. Any
   other is inferred.
7. A ReplicaSet's pods were caused by the latest write that can have: the write that its Deployment
   made it for, a scale, or the deletion of a sibling. Each can have caused so many pods at most.
8. Several writes of different clients that fit within ``CLOSE`` of each other are ambiguous.
9. A write that the pod's workload rules out caused nothing, and no older one stands in for one that
   is missing (``chain_proof``): all pods were there, or the number, the template or the revision
   is another one.
10. Without a fitting write the requester is unknown: a wrong one would be worse.
"""

from __future__ import annotations

from sensor.correlate.chain_additions import added_by
from sensor.correlate.chain_answer import Walk, same_client, static_pod, whole
from sensor.correlate.chain_ends import AHEAD, CLOSE, WINDOW
from sensor.correlate.chain_index import OBJECTS_LIMIT, SKEW, Pod, Thing, TriggerRecord
from sensor.correlate.chain_objects import ClusterObjects, owner_of
from sensor.correlate.chain_proof import (
    asked_for,
    contradicted,
    proven,
    scheduled,
    unanswered,
    written_before,
)
from sensor.model.control_plane import (
    ActorKind,
    ControlRecord,
    Effect,
    Owner,
    RequestedBy,
    Touch,
)

_TEMPLATES = frozenset({Touch.CREATE, Touch.TEMPLATE, Touch.RESUME, Touch.ANY})


class CausalChain:
    """Takes records in about their order; answers who asked for a pod's containers."""

    def __init__(self, limit: int = OBJECTS_LIMIT) -> None:
        self._objects = ClusterObjects(limit)

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
        self,
        pod: Pod,
        container: str | None = None,
        attempt: int | None = None,
        started: int | None = None,
    ) -> RequestedBy | None:
        """Return who asked for a container of a pod; None where no record says it.

        A container that the pod's records do not name has no request among them. ``started``
        is when it started, in wall-clock ns.
        """
        added = added_by(pod, container, attempt, started)
        if added:
            return Walk((), exact=pod.uid is not None).answer(added, named=bool(attempt))
        if attempt:
            return None
        named = pod.created.request.containers
        if container is not None and named and container not in {one.name for one in named}:
            return None
        return self._known(pod, sure=False)

    def certain(self, pod: Pod) -> RequestedBy | None:
        """Return the exact answer, if the records so far prove it: no later one can change it."""
        return self._known(pod, sure=True)

    def _known(self, pod: Pod, *, sure: bool) -> RequestedBy | None:
        if pod.answer is None and not pod.unasked:
            found = self._walk(pod, sure=sure)
            if found is not None:
                pod.answered(found)
        return pod.answer

    def _walk(self, pod: Pod, *, sure: bool) -> RequestedBy | None:
        """Return the answer; ``sure``: only one that is exact."""
        created = pod.created
        actor, write = created.request.actor, created.write
        walk = Walk((), exact=whole(created) and pod.uid is not None)
        if write is not None and Touch.MIRROR in write.touches:
            return static_pod(created)
        if actor is None or (sure and not walk.exact):
            return None
        if pod.rivals:
            return walk.answer((created, *pod.rivals))
        if actor.kind is not ActorKind.CONTROL_PLANE:
            return walk.answer((created,))
        return self._owned(pod, walk, sure=sure)

    def _owned(self, pod: Pod, walk: Walk, *, sure: bool) -> RequestedBy | None:
        """Return the answer for a pod that a controller made."""
        owner, exact = owner_of(pod)
        owner = owner or self._objects.implied(pod)
        thing = None if owner is None else self._objects.owning(owner, pod)
        if owner is None or thing is None:
            return None
        walk = walk.past(pod.bound, exact=True) if pod.bound is not None else walk
        walk = walk.past(pod.created, exact=exact and thing.uid == owner.uid)
        parent = self._objects.parent(thing) if thing.kind in {"ReplicaSet", "Job"} else None
        ends = self._ends(thing, pod)
        answer = self._proven(thing, parent, pod, walk, ends)
        if answer is not None or sure:
            return answer
        # What follows is found by time, and a record that is missing could change it.
        walk = walk.past(None, exact=False)
        if thing.kind == "Job":
            return self._from_job(thing, parent, pod, walk, ends)
        return self._from(thing, parent, pod, walk, ends)

    @staticmethod
    def _proven(
        thing: Thing, parent: Thing | None, pod: Pod, walk: Walk, ends: list[TriggerRecord]
    ) -> RequestedBy | None:
        """Return the exact answer, where the records prove one."""
        root = asked_for(pod)
        if root is None or any(one.time >= (root.request.requested or 0) - CLOSE for one in ends):
            return None
        over: ControlRecord | None = None
        write: TriggerRecord | None
        effect: Effect | None = None
        if thing.kind == "Job":
            if root is not thing.created or not _ours(root) or parent is None:
                write = proven(pod, thing, None)
            else:
                over, write, effect = root, scheduled(parent, root), Effect.SCHEDULE
        else:
            write = proven(pod, thing, parent)
            over = root if write is not None and write.record is not root else None
        if write is None:
            return None
        step = walk.past(over, exact=parent is None or over is None or _tied(thing, parent))
        if not step.exact or not whole(write.record):
            return None
        write.used += 1
        return step.answer((write.record,), effect)

    def _from(
        self, thing: Thing, parent: Thing | None, pod: Pod, walk: Walk, ends: list[TriggerRecord]
    ) -> RequestedBy | None:
        """Return who probably asked for a pod of an owner.

        The latest write that fits decides. Only of those close to it does the rest matter.
        """
        fitting = self._fitting(thing, parent, pod, ends)
        ended = {id(one) for one in ends}
        if not fitting:
            return None
        best = fitting[0]
        rivals = [one for one in fitting[:0:-1] if not same_client(one.record, best.record)]
        best.used += 1
        if not best.asked and not rivals:
            pod.unasked = True
            return None
        records = tuple(one.record for one in (best, *rivals))
        if id(best) in ended:
            return walk.answer(records, Effect.REPLACEMENT, named=True)
        if Touch.NODE in best.touches:
            return walk.answer(records, Effect.START, named=True)
        over = thing.created if parent is not None and _ours(thing.created) else None
        if thing.grown_by is not None and best.time <= (thing.grown or 0) <= pod.time + AHEAD:
            over = thing.grown_by
        return walk.past(over, exact=False).answer(records)

    def _fitting(
        self, thing: Thing, parent: Thing | None, pod: Pod, ends: list[TriggerRecord]
    ) -> list[TriggerRecord]:
        """Return what can have caused a pod, the best at first, and what is close to that."""
        ends = [*ends, *self._nodes(thing, pod)]
        since, until = unanswered(pod, parent), pod.time + AHEAD
        own = [one for one in thing.writes if since <= one.time <= until]
        above = [] if parent is None else parent.writes
        above = [one for one in above if since <= one.time <= until]
        parents = {id(one) for one in above}
        fitting: list[TriggerRecord] = []
        for one in sorted((*own, *above, *ends), key=lambda one: _nearness(one, pod)):
            if fitting and abs(fitting[0].time - one.time) > CLOSE:
                continue
            if one.spent or not _timely(one, thing, pod) or self._late(one, thing, pod):
                continue
            if parent is None or id(one) not in parents:
                fitting.append(one)
            elif contradicted(one, thing, pod):
                break  # The write that caused the pod is missing: no older one stands in for it.
            elif _reaches(parent, one, thing, pod):
                fitting.append(one)
        return fitting

    def _ends(self, thing: Thing, pod: Pod) -> list[TriggerRecord]:
        """Return the ends of an owner's pods that this one can be in place of."""
        held = owner_of(pod)[0] or Owner(thing.kind, thing.name)
        return [one for one in self._objects.ends.before(pod, held, thing) if not one.spent]

    def _late(self, trigger: TriggerRecord, thing: Thing, pod: Pod) -> bool:
        """Return whether a DaemonSet's pod came for a node that joined after the write."""
        if thing.kind != "DaemonSet" or pod.updated:
            return False
        return self._objects.ends.joined(pod.cluster, pod.node, trigger.time, pod.time)

    def _nodes(self, thing: Thing, pod: Pod) -> list[TriggerRecord]:
        """Return what changed the node of a DaemonSet's pod right before: it may fit since then."""
        if thing.kind != "DaemonSet" or pod.updated:
            return []
        return self._objects.ends.changed(pod.cluster, pod.node, pod.time)

    def _from_job(
        self, job: Thing, schedule: Thing | None, pod: Pod, walk: Walk, ends: list[TriggerRecord]
    ) -> RequestedBy | None:
        """Return who probably made a Job, or last wrote the CronJob that it came from.

        Who deleted a pod of it caused the one in its place; who resumed it, what came afterwards.
        """
        created = job.created
        if ends:
            last = ends[-1]
            last.used += 1
            pod.unasked = not last.asked
            records = (last.record,)
            return walk.answer(records, Effect.REPLACEMENT, named=True) if last.asked else None
        resumed = [
            one
            for one in job.writes
            if one.time <= pod.time + AHEAD and one.record is not created and not one.ours
        ]
        if resumed:
            return walk.answer((resumed[-1].record,))
        if created is None or created.request.effect is Effect.CONFIG:
            return None  # Made suspended: the record that resumed it is missing.
        if not _ours(created):
            return walk.answer((created,))
        write = None if schedule is None else written_before(schedule, created)
        past = walk.past(created, exact=False)
        return None if write is None else past.answer((write.record,), Effect.SCHEDULE)


def _nearness(trigger: TriggerRecord, pod: Pod) -> tuple[int, int]:
    """Return how near a write is to a pod: one right before it comes first.

    One right after it is its cause where the clocks of two API servers differ. Pods follow their
    causes so closely that this is more likely than a cause of minutes ago.
    """
    since = pod.time - trigger.time
    if since < -SKEW:
        return 1, abs(since)
    return (0 if since <= CLOSE else 2), abs(since)


def _reaches(parent: Thing, write: TriggerRecord, thing: Thing, pod: Pod) -> bool:
    """Return whether a write of a Deployment concerns one of its ReplicaSets.

    A write of the template belongs to the ReplicaSet that was made next, or, where none was
    made, to the older one that grew again: a rollback.
    """
    if write.time > pod.time + AHEAD:
        return False
    made = _made(thing)
    if set(write.touches) <= {Touch.REPLICAS}:
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


def _timely(trigger: TriggerRecord, thing: Thing, pod: Pod) -> bool:
    """Return whether a pod came soon enough after a write of unknown size."""
    if pod.again and Touch.CREATE in trigger.touches:
        return False  # The first pod in its place was the creation's.
    fits = _fits_revision(trigger, thing, pod)
    if fits is not None:
        return fits
    since = trigger.time
    if pod.after is not None and pod.of is not None and pod.of.kind == "ReplicaSet":
        # Its controller makes the missing pods at once, or soon where a quota held them back.
        since = max(since, pod.after.request.requested or 0)
        return pod.time - since <= WINDOW
    if trigger.capacity is not None:
        return True
    if thing.grown is not None and since <= thing.grown <= pod.time:
        since = thing.grown
    return pod.time - since <= WINDOW


def _fits_revision(trigger: TriggerRecord, thing: Thing, pod: Pod) -> bool | None:
    """Return whether a write led to a pod's revision; None where revisions do not decide."""
    rollout, since = thing.rollout, trigger.time
    began = rollout.began(pod.revision) if rollout is not None and pod.revision else None
    if rollout is None or began is None:
        return None
    if _lets_go(trigger):
        return pod.updated
    if not _templates(trigger):
        return None
    if since > began + AHEAD:
        return False  # The pods of this revision were made before.
    if since <= began and rollout.first_since(since - SKEW) != pod.revision:
        return False  # It led to another revision.
    # Their controller waits for each pod, so that the revision's first one has to come in time.
    return began - since <= WINDOW if pod.updated else None


def _templates(trigger: TriggerRecord) -> bool:
    return not _TEMPLATES.isdisjoint(trigger.touches)


def _lets_go(trigger: TriggerRecord) -> bool:
    """Return whether a write lets a revision go on that began before: a lower partition."""
    return trigger.touches == (Touch.RESUME,)


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

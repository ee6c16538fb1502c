"""Whether records prove what caused a pod: no record that is missing can change the answer.

A log may lack records: a webhook's buffer was full, a bucket came late, a rule of the policy hides
them. An older write must then not stand in for the one that is missing. So a write is proven only
by what its effects themselves say:

1. The pod came in a burst: within ``BURST`` of a write of its owner, or of a pod made so. No more
   pods are in the burst than that write asks for. A replacement comes later, or is one too many.
2. A ReplicaSet that has a Deployment: the burst's write of the ReplicaSet has the template and the
   number of replicas that the Deployment's write stored, and follows it within ``PROMPT``. Between
   them the ReplicaSet only grew, and no version of it is missing.
3. A CronJob: its controller reports that it acted on the version that the write made.

What the records do not prove may be probable. :func:`unanswered`, :func:`contradicted` and
:func:`written_before` say which writes they rule out.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from sensor.correlate.chain_answer import client_of, same_client
from sensor.correlate.chain_ends import AHEAD, CLOSE
from sensor.correlate.chain_index import SECOND, SKEW
from sensor.model.control_plane import Touch

if TYPE_CHECKING:
    from sensor.correlate.chain_index import Pod, Thing, TriggerRecord
    from sensor.model.control_plane import ControlRecord, KubernetesWrite

PROMPT = 5 * SECOND
"""A controller acts on a write within 30 ms (measured). What comes later needs no proof."""


def proven(pod: Pod, thing: Thing, parent: Thing | None) -> TriggerRecord | None:
    """Return the write that certainly caused a pod of an owner."""
    root = asked_for(pod)
    if root is None:
        return None
    direct = next((one for one in thing.writes if one.record is root), None)
    if parent is None or direct is not None:
        return None if direct is None or _rivalled(direct, thing) else direct
    found = _led_to(parent.writes, root, thing)
    actors = {client_of(one.record) for one in found}
    return found[-1] if len(actors) == 1 else None


def _rivalled(write: TriggerRecord, thing: Thing) -> bool:
    """Return whether another client wrote at about that time: clocks of API servers differ."""
    return any(
        abs(one.time - write.time) <= CLOSE and not same_client(one.record, write.record)
        for one in thing.writes
    )


def asked_for(pod: Pod) -> ControlRecord | None:
    """Return the write of its owner that a pod was made for."""
    burst = pod.burst
    if burst is None:
        return None
    write = burst.root.write
    if write is None or not 0 < pod.place <= _asked(write, burst.before):
        return None
    return burst.root


def _asked(write: KubernetesWrite, before: int | None) -> int:
    """Return how many pods a write of a workload asks for; 0 where it does not say so."""
    if write.resource == "daemonsets":
        return _ONE_A_NODE
    if write.resource == "jobs":
        return 1 if write.replicas is None else write.replicas
    if write.replicas is None:
        return 0
    if Touch.CREATE in write.touches:
        return write.replicas
    had = [one for one in (before, write.old_replicas) if one is not None]
    return write.replicas - max(had) if had else 0


_ONE_A_NODE = 1 << 30


def _led_to(
    triggers: list[TriggerRecord], root: ControlRecord, thing: Thing
) -> list[TriggerRecord]:
    """Return the writes of a Deployment that certainly led to a write of its ReplicaSet."""
    made = root.write
    alike = [one for one in triggers if made is not None and _stored(one, made)]
    grown = _grown(root, thing) if alike else None
    if grown is None:
        return []
    times, since = grown
    begun = None if thing.created is None else _time(thing.created)
    found = []
    for one in alike:
        place = bisect_left(times, one.time)
        if not since <= place < len(times) or times[place] - one.time > PROMPT:
            continue
        if Touch.CREATE in one.touches and times[place] != begun:
            continue  # Its own effect, the ReplicaSet's creation, came before it.
        if not _only_scales(one) or _was_whole(root, thing):
            found.append(one)
    return found


def _was_whole(root: ControlRecord, thing: Thing) -> bool:
    """Return whether a ReplicaSet was the one of its Deployment's template before a write.

    It then had all replicas of the Deployment. The answer to a scale holds no template, so another
    ReplicaSet that grows after it may do so for a write that is missing.
    """
    before = _before(root, thing)
    write = None if before is None else before.write
    return write is not None and write.replicas is not None and write.replicas == write.desired


def _before(root: ControlRecord, thing: Thing) -> ControlRecord | None:
    """Return the write of a workload before another one of it, where none between is missing."""
    earlier = None
    for one in sorted(thing.changes, key=_time):
        if one is root:
            break
        earlier = one
    version, earlier_version = _version(root), None if earlier is None else _version(earlier)
    known = version is not None and earlier_version is not None
    return None if known and (version or 0) - (earlier_version or 0) > 1 else earlier


def _version(record: ControlRecord) -> int | None:
    return None if record.write is None else record.write.generation


def unanswered(pod: Pod, parent: Thing | None) -> int:
    """Return since when writes can have caused a pod, as far as its ReplicaSet's last write shows.

    No earlier write can, where all pods were there that the ReplicaSet asked for: its controller
    answers a write at once by one of the ReplicaSet, which only then is missing. None can either,
    where the ReplicaSet notes another number of replicas than the latest write stored: then the
    write that it answers is missing.
    """
    made = None if pod.after is None else pod.after.write
    if pod.after is None or made is None:
        return 0
    until = _time(pod.after) + SKEW
    if pod.surplus:
        return max(until, pod.time - PROMPT)
    if parent is None or made.desired is None:
        return 0
    stored = [
        one.write.replicas
        for one in parent.changes
        if one.write is not None and one.write.replicas is not None and _time(one) <= until
    ]
    return until if stored and stored[-1] != made.desired else 0


def contradicted(trigger: TriggerRecord, thing: Thing, pod: Pod) -> bool:
    """Return whether a pod's ReplicaSet shows that a write of its Deployment did not cause it."""
    asked, made = trigger.record.write, None if pod.after is None else pod.after.write
    if asked is None or made is None or pod.after is None:
        return False
    if _only_scales(trigger):
        # What an earlier template left empty does not grow by a scale.
        before = _before(pod.after, thing)
        had = None if before is None else before.write
        return had is not None and had.replicas == 0 and bool(had.desired)
    if Touch.REPLICAS in asked.touches or None in (asked.template, made.template):
        return False
    return asked.template != made.template


def _stored(trigger: TriggerRecord, made: KubernetesWrite) -> bool:
    """Return whether a write of a Deployment stored what a write of its ReplicaSet has."""
    asked = trigger.record.write
    if asked is None or asked.replicas is None or asked.replicas != made.desired:
        return False
    return _only_scales(trigger) or (asked.template is not None and asked.template == made.template)


def _only_scales(trigger: TriggerRecord) -> bool:
    return trigger.touches == (Touch.REPLICAS,)


def _grown(root: ControlRecord, thing: Thing) -> tuple[list[int], int] | None:
    """Return the times of a ReplicaSet's writes up to ``root``, and since which it only grew.

    From that place on no version of it is missing, and each asked for no fewer than the last. A
    busy workload has many writes, so that they are walked once for all that may have led to one.
    """
    found = sorted(thing.changes, key=_time)
    end = next((index for index, one in enumerate(found) if one is root), None)
    if end is None:
        return None
    since = end + 1
    later: tuple[int, int] | None = None
    for place in range(end, -1, -1):
        write = found[place].write
        if write is None or write.generation is None or write.replicas is None:
            break
        if later is not None and (later[0] - write.generation > 1 or later[1] < write.replicas):
            break
        since, later = place, (write.generation, write.replicas)
    return [_time(one) for one in found[: end + 1]], since


def _time(record: ControlRecord) -> int:
    return record.request.requested or 0


def scheduled(schedule: Thing, job: ControlRecord) -> TriggerRecord | None:
    """Return the write of a CronJob whose version certainly made a Job."""
    if schedule.acted is None or not schedule.writes:
        return None
    version, seen = schedule.acted
    write = schedule.writes[-1]
    wrote = write.record.write
    if seen < (job.request.requested or 0) or wrote is None or wrote.generation != version:
        return None
    return write if _made_version(schedule, write.record, version) else None


def written_before(schedule: Thing, job: ControlRecord) -> TriggerRecord | None:
    """Return the write of a CronJob that probably made a Job.

    None where its controller acted on a version right after the Job that no known write made.
    """
    time = _time(job)
    before = [one for one in schedule.writes if one.time <= time + SKEW]
    ahead = [one for one in schedule.writes if time + SKEW < one.time <= time + AHEAD]
    found = before[-1] if before else ahead[0] if ahead else None
    if found is None or schedule.acted is None:
        return found
    version, seen = schedule.acted
    versions = [_version(one) or version for one in schedule.changes]
    missing = version > max(versions, default=version)
    return None if missing and 0 <= seen - time <= PROMPT else found


def _made_version(schedule: Thing, record: ControlRecord, version: int) -> bool:
    """Return whether a write made a version: a write of the same content makes none."""
    write = record.write
    if write is not None and Touch.CREATE in write.touches:
        return version == 1
    return any(
        one.write is not None and one.write.generation == version - 1 for one in schedule.changes
    )

"""Events from records of control planes: duplicates, operations of several records, explanations.

Pure: records in, events out, in the order of the records. An operation of several records is one
event, which is emitted at its first record and again, with the same id, when its outcome is known.
A pod is explained at once when the records prove its requester. Any other waits for records of
its causes that may come from other API servers: some seconds in a stream, and to the end of a file.
A stream tries again after ``LATE``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain import CausalChain
from sensor.correlate.record_order import RecordOrder
from sensor.correlate.seen_records import SeenRecords
from sensor.correlate.start_explanation import record_explanation
from sensor.correlate.task_events import PATIENCE as TASK_PATIENCE
from sensor.correlate.task_events import TaskEvents
from sensor.model.container import KUBERNETES, Orchestrator
from sensor.model.control_plane import (
    ChainPart,
    ControlRecord,
    Effect,
    Request,
    RequestContainer,
    RequestedBy,
    RequestOutcome,
    RequestSource,
    Standing,
)
from sensor.model.ecs_facts import EcsTouch
from sensor.model.events import Event
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.chain_index import Pod

SECOND = 1_000_000_000
SETTLE = 2 * SECOND
"""How long a pod waits for the records of its causes; they come within 100 ms on one server."""
WHOLE_INPUT = 1 << 62
"""The patience with an input that ends: its records may come in any order."""
LATE = 600 * SECOND
"""After this a pod without a requester is looked at once more: sources deliver late."""
OPERATIONS_LIMIT = 10_000
"""Operations that wait for their end; the oldest are forgotten, and their ends are new events."""
DEFINITIONS_LIMIT = 10_000
"""ECS task definitions whose images are remembered."""
PODS_LIMIT = 10_000
"""Pods that wait to be explained."""
UNEXPLAINED_LIMIT = 1000
"""Pods without a requester that are looked at once more, the latest."""

_RANK = {
    None: 0,
    RequestOutcome.UNKNOWN: 0,
    RequestOutcome.ACCEPTED: 1,
    RequestOutcome.PARTIAL: 2,
    RequestOutcome.SUCCESS: 2,
    RequestOutcome.FAILURE: 2,
}
_ENDS = frozenset({Effect.STOP, Effect.SCALE_DOWN})


class RequestEvents:
    """Takes records, gives events. ``patience``: how late a cause may come, in ns."""

    def __init__(self, patience: int = SETTLE) -> None:
        self.chain = CausalChain()
        self.tasks = TaskEvents(max(patience, TASK_PATIENCE))
        self._records = RecordOrder(patience)
        self._seen = SeenRecords()
        self._operations: Bounded[str, ControlRecord] = Bounded(OPERATIONS_LIMIT)
        self._definitions: Bounded[str, tuple[RequestContainer, ...]] = Bounded(DEFINITIONS_LIMIT)
        self._waiting: deque[Pod] = deque()
        self._unexplained: deque[Pod] = deque(maxlen=UNEXPLAINED_LIMIT)
        """Pods without a requester that are looked at once more, in the order of their times."""
        self._reached = 0
        """The time up to which the chain has the records."""

    @property
    def duplicates(self) -> int:
        """Records that came again."""
        return self._seen.repeated

    def forgotten(self) -> int:
        """Return how much of what the walks need went for want of room."""
        return self.chain.forgotten() + self.tasks.chain.forgotten()

    def feed(self, record: ControlRecord, now: int, log: str | None = None) -> Iterator[Event]:
        """Take a record that was read at ``now``, wall-clock ns; yield events.

        ``log`` names the growing log of one server that it comes from.
        """
        if not self._seen.take(record):
            # Several reports of one start are one event; each may name what another does not.
            if record.ecs is not None and record.ecs.touch is EcsTouch.TASK:
                yield from self.tasks.feed(record, now)
            return
        record = self._defined(record)
        if record.write is not None:
            self._records.add(record, now, log)
        folded = record if record.operation is None else self._folded(record, record.operation)
        if folded is not None and (kind := type_of(folded)) is not None:
            yield _event(kind, folded, now)
        if record.write is not None:
            yield from self._chained(self._records.ready(), now)
        if record.ecs is not None:
            yield from self.tasks.feed(record, now)

    def close(self, now: int) -> Iterator[Event]:
        """Explain the pods that still wait: the input has ended."""
        yield from self._chained(self._records.rest(), now)
        yield from self._settled(now, len(self._waiting))
        for pod in self._unexplained:
            if not pod.explained:
                yield from self._explained(pod, now)
        self._unexplained.clear()
        yield from self.tasks.close(now)

    def settle(self, now: int) -> Iterator[Event]:
        """Explain the pods whose time has come by the clock: a live input is quiet."""
        self._records.quiet(now)
        yield from self._chained(self._records.ready(), now)
        self._reached = max(self._reached, self._records.passed)
        yield from self._settled(now, 0)
        yield from self.tasks.settle(now)

    def _chained(self, records: Iterator[ControlRecord], now: int) -> Iterator[Event]:
        """Give records to the chain, in their order, and explain the pods whose time has come."""
        for record in records:
            self._reached = max(self._reached, min(record.request.requested or 0, now))
            pod = self.chain.add(record)
            if pod is not None and not pod.explained:
                yield from self._early(pod, now)
            yield from self._settled(now, 0)

    def _early(self, pod: Pod, now: int) -> Iterator[Event]:
        """Explain a pod that has its node and whose requester is proven; else let it wait."""
        certain = self.chain.certain(pod) if pod.placed else None
        if certain is not None:
            pod.reported()
            yield _explanation(pod, certain, now)
        elif not pod.waiting:
            pod.waiting = True
            self._waiting.append(pod)

    def _defined(self, record: ControlRecord) -> ControlRecord:
        """Give a record of ECS the images of its task definition; keep those of a new one."""
        workload = record.request.workload
        if workload is None or workload.definition is None:
            return record
        account = record.request.cluster.account if record.request.cluster is not None else None
        key = f"{account}/{workload.definition}"
        if workload.kind == "TaskDefinition":
            self._definitions.put(key, record.request.containers)
            return record
        known = self._definitions.get(key)
        if record.request.containers or known is None:
            return record
        return replace(record, request=replace(record.request, containers=known))

    def _folded(self, record: ControlRecord, operation: str) -> ControlRecord | None:
        """Return the operation as far as it is known; None where the record adds nothing."""
        known = self._operations.get(operation)
        if known is None:
            first = replace(record, key=operation)
            self._operations.put(operation, first)
            return first
        merged = _merged(known, record)
        self._operations.put(operation, merged)
        return merged if merged != known else None

    def _settled(self, now: int, least: int) -> Iterator[Event]:
        """Explain pods whose time has come, and at least so many."""
        ready: list[Pod] = []
        waiting = self._waiting
        while waiting and (
            len(ready) < least
            or len(waiting) > PODS_LIMIT
            or waiting[0].time + SETTLE <= self._reached
        ):
            ready.append(waiting.popleft())
        for pod in sorted(ready, key=lambda one: one.time):
            pod.waiting = False
            if pod.explained:
                continue
            explained = list(self._explained(pod, now))
            if not explained:
                self._unexplained.append(pod)
            yield from explained
        while self._unexplained and self._unexplained[0].time + LATE <= self._reached:
            late = self._unexplained.popleft()
            if not late.explained:
                yield from self._explained(late, now)

    def _explained(self, pod: Pod, now: int) -> Iterator[Event]:
        requested = self.chain.requester(pod)
        if requested is not None:
            pod.reported()
            yield _explanation(pod, requested, now)


def type_of(record: ControlRecord) -> EventType | None:
    """Return the type of a record's event; None for a record that makes none."""
    if record.standing in {Standing.REQUESTED, Standing.POSSIBLE}:
        return EventType.START_REQUESTED
    if record.standing is Standing.OBSERVED:
        return EventType.START_REPORTED
    if record.request.effect in _ENDS and record.request.chain is not ChainPart.REPORT:
        return EventType.STOP_REQUESTED
    return None


def _merged(known: ControlRecord, more: ControlRecord) -> ControlRecord:
    """Return an operation with what a further record of it says."""
    first, second = known.request, more.request
    ended = _RANK[second.outcome] > _RANK[first.outcome]
    named = first.actor if first.actor is not None else second.actor
    # The last record may say that nothing started: a start of what ran already.
    void = ended and second.effect is Effect.NONE
    request = replace(
        first,
        effect=second.effect if void else first.effect,
        chain=first.chain if first.actor is not None else second.chain,
        outcome=second.outcome if ended else first.outcome,
        code=first.code if second.code is None else second.code,
        reason=second.reason if ended else first.reason,
        requested=min(
            (one for one in (first.requested, second.requested) if one is not None), default=None
        ),
        completed=second.completed if ended else first.completed,
        actor=named,
        address=first.address or second.address,
        addresses=first.addresses or second.addresses,
        user_agent=first.user_agent or second.user_agent,
        containers=first.containers or second.containers,
    )
    return replace(known, request=request)


def _explanation(pod: Pod, requested: RequestedBy, now: int) -> Event:
    created = pod.created.request
    place = Orchestrator(
        type=KUBERNETES,
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.node_uid or pod.uid,
        cluster=None if created.cluster is None else created.cluster.name,
        node=pod.node,
        owner=pod.owner,
        requested_by=requested,
    )
    return record_explanation((pod.created.key,), pod.time, place, now)


def _event(kind: EventType, record: ControlRecord, now: int) -> Event:
    request = record.request
    return Event(
        type=kind,
        id=record.key,
        time=now if request.requested is None else request.requested,
        observed=now,
        realtime_offset=0,
        host=None,
        orchestrator=_orchestrator(request),
        request=request,
    )


def _orchestrator(request: Request) -> Orchestrator | None:
    """Return the pod or task that a record is about, under the names that host events use."""
    workload = request.workload
    if workload is None:
        return None
    cluster = None if request.cluster is None else request.cluster.name
    names = request.containers
    container = names[0].name if len(names) == 1 else None
    if workload.kind == "Pod":
        return Orchestrator(
            type=KUBERNETES,
            namespace=workload.namespace,
            pod=workload.name,
            pod_uid=workload.node_uid or workload.uid,
            container=container,
            cluster=cluster,
            node=workload.node,
            owner=workload.owner,
        )
    if request.source is RequestSource.AWS and workload.task is not None:
        return Orchestrator(
            type="ecs",
            container=container,
            cluster=cluster,
            node=workload.node,
            task_arn=workload.task,
        )
    return None

"""Which write of a service of ECS caused one of its tasks.

The service's scheduler starts tasks without a record of a request. A task says of which deployment
it is, and the answer of the write that made the deployment, or scaled it, names the same one.

- Such a write can have caused as many tasks as it asked for. Where its answer names no deployment,
  its tasks come within ``WINDOW``.
- A task in place of one that was stopped by a person is theirs who stopped it.
- Once ECS reports that the service has all its tasks, the writes before that cause no more.
- Several writes of different actors that fit are ambiguous.
- Without a fitting write the requester is unknown: the scheduler itself replaces tasks that end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain_answer import same_client
from sensor.correlate.chain_ends import AHEAD, WINDOW
from sensor.correlate.chain_index import SECOND
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.correlate.chain_records import HeldRecords
    from sensor.model.control_plane import ControlRecord, Workload

SERVICES_LIMIT = 5000
"""Services whose writes are remembered."""
STEADY_LIMIT = 32
"""Reports of one service that are remembered, the latest."""
SETTLING = 60 * SECOND
"""ECS may report a service as steady that has not yet answered a write."""
ROLLOUT_WINDOW = 3 * 3600 * SECOND
"""How long a deployment may start the tasks that a write asked for."""

ServiceKey = tuple[str | None, str | None, str, str]
"""Account, region, cluster, service."""


@dataclass(slots=True, eq=False)
class Write:
    """A record that may have caused tasks of a service."""

    record: ControlRecord
    time: int
    deployment: str | None
    definition: str | None
    capacity: int | None
    replaces: bool = False
    """It ended a task."""
    used: int = 0

    @property
    def spent(self) -> bool:
        """Whether all that it can have caused is accounted for."""
        return self.capacity is not None and self.used >= self.capacity


@dataclass(frozen=True, slots=True)
class Cause:
    """The records of the writes that fit, the best at first."""

    records: tuple[ControlRecord, ...]
    replaces: bool


class EcsServices:
    """Takes writes of services in any order; finds the cause of a task."""

    def __init__(self, held: HeldRecords) -> None:
        self._writes: Bounded[ServiceKey, list[Write]] = Bounded(SERVICES_LIMIT)
        self._steady: Bounded[ServiceKey, deque[int]] = Bounded(SERVICES_LIMIT)
        self._held = held

    @property
    def evicted(self) -> int:
        """How many services went for want of room."""
        return self._writes.evicted

    def wrote(self, key: ServiceKey | None, record: ControlRecord, workload: Workload) -> None:
        """Take a write that may start tasks."""
        facts = record.ecs
        if key is None or facts is None:
            return
        time = record.request.requested or 0
        write = Write(record, time, facts.deployment, workload.definition, facts.capacity)
        self._keep(key, write)

    def stopped(self, key: ServiceKey | None, record: ControlRecord) -> None:
        """Take the end of a task that a call asked for."""
        if key is not None:
            time = record.request.requested or 0
            self._keep(key, Write(record, time, None, None, 1, replaces=True))

    def steady(self, key: ServiceKey | None, time: int) -> None:
        """Take a report that a service has all its tasks."""
        if key is None:
            return
        times = self._steady.get(key)
        if times is None:
            times = deque(maxlen=STEADY_LIMIT)
            self._steady.put(key, times)
        times.append(time)

    def _keep(self, key: ServiceKey, write: Write) -> None:
        writes = self._writes.get(key)
        if writes is None:
            writes = []
            self._writes.put(key, writes)
        self._held.keep(key[:2], writes, write, _time)

    def cause(
        self, key: ServiceKey, deployment: str, definition: str | None, time: int
    ) -> Cause | None:
        """Return what caused a task of a deployment that was created at a time."""
        since = max((at for at in self._steady.get(key) or () if at < time), default=0) - SETTLING
        fitting = [
            one
            for one in self._writes.get(key) or ()
            if one.time > since and not one.spent and _fits(one, deployment, definition, time)
        ]
        if any(one.deployment == deployment for one in fitting):
            # A write of an unknown deployment is not a rival of one that names it.
            fitting = [one for one in fitting if one.deployment == deployment or one.replaces]
        if not fitting:
            return None
        # A write after the task is its cause only where clocks differ, and no other one fits.
        fitting.sort(key=lambda one: (one.time > time, abs(time - one.time)))
        best = fitting[0]
        rivals = [
            one
            for one in fitting[:0:-1]
            if time - one.time <= WINDOW and not same_client(one.record, best.record)
        ]
        best.used += 1
        return Cause(tuple(one.record for one in (best, *rivals)), best.replaces)


def _fits(write: Write, deployment: str, definition: str | None, time: int) -> bool:
    since = time - write.time
    if since < -AHEAD:
        return False
    if write.replaces or write.deployment is None:
        return since <= WINDOW and definition in (None, write.definition or definition)
    if write.deployment != deployment or since > ROLLOUT_WINDOW:
        return False
    return None in (definition, write.definition) or definition == write.definition


def _time(write: Write) -> int:
    return write.time

"""Records to events, sans I/O: records and a clock go in, whole events come out.

Rules:

- records of one stamp (seconds, milliseconds, serial, node) make one event, in whatever order and
  however interleaved with those of other events;
- an event is complete at its EOE, or with its first record where that type mostly comes alone;
- such a record may still stand before others of its event (IMA's, those of newer kernels): then
  these make the event, without it;
- PROCTITLE, the last record on disk (auditd drops EOE), starts a short grace;
- what has none of these is complete when nothing of it came for :data:`TIMEOUT`;
- a record that is there already is a duplicate (the other feed's copy); one of an event that is
  complete already is a duplicate too: both are counted and dropped;
- too many events or bytes in flight: the oldest goes, and is counted.

Times are nanoseconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.sources.audit.record import AuditRecord, RecordStamp

TIMEOUT = 2_000_000_000
"""Nanoseconds after an event's last record at which it is taken as complete."""

GRACE = 50_000_000
"""Nanoseconds between PROCTITLE and the end of an event that has no EOE."""

IN_FLIGHT_MAX = 512
"""Events that are not complete."""

BYTES_MAX = 8 << 20
"""Bytes of their records."""

EVENT_BYTES_MAX = 160 << 10
"""Bytes of one event's records: a hex-coded argv of 64 KiB fits."""

EVENT_RECORDS_MAX = 256
"""Records of one event."""

DONE_MAX = 8192
"""Stamps of complete events remembered, to know a second copy."""


@unique
class Ending(StrEnum):
    """How an event was found complete."""

    EOE = "eoe"
    ALONE = "alone"
    PROCTITLE = "proctitle"
    TIMEOUT = "timeout"
    FLUSH = "flush"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """The records of one event, in the order of their arrival, without EOE."""

    stamp: RecordStamp
    records: tuple[AuditRecord, ...]
    ending: Ending
    cut: bool
    """Records beyond the limits of one event were left out."""


@dataclass(slots=True)
class _Pending:
    deadline: int
    records: list[AuditRecord] = field(default_factory=list)
    size: int = 0
    cut: bool = False
    titled: bool = False


class Assembler:
    """Holds what is not complete yet."""

    def __init__(self, in_flight_max: int = IN_FLIGHT_MAX) -> None:
        self._in_flight_max = in_flight_max
        self._pending: dict[RecordStamp, _Pending] = {}
        self._size = 0
        self._done: dict[RecordStamp, bool] = {}
        """Whether one record that mostly comes alone was all there was of the event."""
        self._ready: list[AuditEvent] = []
        self.events = 0
        self.duplicates = 0
        self.crowded_out = 0

    def __len__(self) -> int:
        return len(self._pending)

    def push(self, record: AuditRecord, now: int) -> None:
        """Take one record."""
        stamp = record.stamp
        if stamp in self._done and not self._reopens(record):
            self.duplicates += 1
            return
        pending = self._pending.get(stamp)
        if pending is None:
            pending = self._pending[stamp] = _Pending(deadline=now + TIMEOUT)
        if record.type == "EOE":
            self._complete(stamp, Ending.EOE)
            return
        self._add(pending, record)
        if record.alone and len(pending.records) == 1:
            self._complete(stamp, Ending.ALONE)
            return
        pending.titled = pending.titled or record.type == "PROCTITLE"
        pending.deadline = now + (GRACE if pending.titled else TIMEOUT)
        while len(self._pending) > self._in_flight_max or self._size > BYTES_MAX:
            self._drop_oldest()

    def _reopens(self, record: AuditRecord) -> bool:
        """Whether a record begins the event of which one that mostly comes alone is complete."""
        if record.alone or record.type == "EOE" or not self._done[record.stamp]:
            return False
        del self._done[record.stamp]
        return True

    def _add(self, pending: _Pending, record: AuditRecord) -> None:
        if any(r.type == record.type and r.text == record.text for r in pending.records):
            self.duplicates += 1
            return
        size = len(record.text)
        if pending.size + size > EVENT_BYTES_MAX or len(pending.records) >= EVENT_RECORDS_MAX:
            pending.cut = True
            return
        pending.records.append(record)
        pending.size += size
        self._size += size

    def _drop_oldest(self) -> None:
        stamp = next(iter(self._pending))
        self._size -= self._pending.pop(stamp).size
        self._remember(stamp)
        self.crowded_out += 1

    def _complete(self, stamp: RecordStamp, ending: Ending) -> None:
        pending = self._pending.pop(stamp)
        self._size -= pending.size
        self._remember(stamp, alone=ending is Ending.ALONE)
        self.events += 1
        self._ready.append(AuditEvent(stamp, tuple(pending.records), ending, pending.cut))

    def _remember(self, stamp: RecordStamp, *, alone: bool = False) -> None:
        self._done[stamp] = alone
        if len(self._done) > DONE_MAX:
            del self._done[next(iter(self._done))]

    def take(self, now: int) -> list[AuditEvent]:
        """Hand over the events that are complete at ``now``."""
        for stamp in [s for s, pending in self._pending.items() if pending.deadline <= now]:
            titled = self._pending[stamp].titled
            self._complete(stamp, Ending.PROCTITLE if titled else Ending.TIMEOUT)
        ready, self._ready = self._ready, []
        return ready

    def flush(self) -> list[AuditEvent]:
        """Hand over everything: no more records will come."""
        for stamp in list(self._pending):
            self._complete(stamp, Ending.FLUSH)
        ready, self._ready = self._ready, []
        return ready

    def deadline(self) -> int | None:
        """When :meth:`take` has something to hand over although no record came."""
        return min((pending.deadline for pending in self._pending.values()), default=None)

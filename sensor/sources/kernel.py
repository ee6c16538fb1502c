"""Observations from the probes: drain the pinned rings in causal order, watch for losses.

Commands are the causes and lifecycle records the effects, so a batch must never hold an effect
without its cause or put an effect before an earlier one of the other ring. A drain therefore takes
lifecycle, then commands, then lifecycle again, sorts by kernel time, and keeps back what came later
than the last command it saw.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.errors import RecordMalformed
from sensor.kernel import clock
from sensor.kernel.counters import Counters, KindCount
from sensor.kernel.record import KernelObservation, decode
from sensor.kernel.ring import BATCH_MAX, Ring
from sensor.model import KernelLoss

if TYPE_CHECKING:
    from sensor.kernel.pins import PinSet


@dataclass(slots=True)
class _Reader:
    """One probe set being read."""

    pins: PinSet
    lifecycle: Ring
    commands: Ring
    counters: Counters
    counted: tuple[KindCount, ...]
    counted_at: int


class KernelSource:
    """Reads one probe set, or several while one replaces another."""

    def __init__(self, sets: tuple[PinSet, ...]) -> None:
        self._readers = [self._open(pins) for pins in sets]
        self._held: list[KernelObservation] = []
        self.malformed: Counter[str] = Counter()
        self.observations = 0
        self.last_seen: int | None = None

    @staticmethod
    def _open(pins: PinSet) -> _Reader:
        counters = Counters(pins.map("counters"))
        return _Reader(
            pins=pins,
            lifecycle=Ring(pins.map("lifecycle")),
            commands=Ring(pins.map("commands")),
            counters=counters,
            counted=counters.read(),
            counted_at=clock.boottime(),
        )

    def descriptors(self) -> tuple[int, ...]:
        """File descriptors to wait on: readable when there are records."""
        return tuple(
            descriptor
            for reader in self._readers
            for descriptor in (reader.lifecycle.descriptor, reader.commands.descriptor)
        )

    def backlog(self) -> int:
        """Bytes that wait in all rings."""
        return sum(r.lifecycle.backlog() + r.commands.backlog() for r in self._readers)

    def counts(self) -> tuple[KindCount, ...]:
        """Counters of the newest set."""
        return self._readers[-1].counters.read()

    def drain(self) -> list[KernelObservation]:
        """Take what is there, in the order in which it happened; bounded by BATCH_MAX a ring."""
        early: list[KernelObservation] = self._held
        late: list[KernelObservation] = []
        commands_taken = 0
        for reader in self._readers:
            self._decode(reader.lifecycle.drain(BATCH_MAX), early)
            raw = reader.commands.drain(BATCH_MAX)
            if raw:
                commands_taken += len(raw)
                self._decode(raw, early)
                self._decode(reader.lifecycle.drain(BATCH_MAX), late)
        self._held = []
        if late:
            newest = max((observation.time for observation in early), default=0)
            early += [o for o in late if o.time <= newest]
            self._held = [o for o in late if o.time > newest]
        if commands_taken >= BATCH_MAX:
            early = self._hold_after_commands(early)
        early.sort(key=_time)
        self.observations += len(early)
        if early:
            self.last_seen = early[-1].time
        return early

    def _hold_after_commands(self, batch: list[KernelObservation]) -> list[KernelObservation]:
        """With more commands left to drain, only what is older than the newest one may go."""
        newest = max((o.time for o in batch if type(o).__name__ in _COMMAND_TYPES), default=0)
        self._held += [o for o in batch if o.time > newest]
        return [o for o in batch if o.time <= newest]

    @property
    def has_more(self) -> bool:
        """Whether another drain is due at once."""
        return bool(self._held) or self.backlog() > 0

    def _decode(self, raw: list[bytes], into: list[KernelObservation]) -> None:
        for data in raw:
            try:
                into.append(decode(data))
            except RecordMalformed as error:
                self.malformed[error.problem[:80]] += 1

    def losses(self) -> tuple[KernelLoss, ...]:
        """Tell what the kernel could not hand over since the last call."""
        now = clock.boottime()
        found: list[KernelLoss] = []
        for reader in self._readers:
            counts = reader.counters.read()
            for before, after in zip(reader.counted, counts, strict=True):
                dropped = after.dropped - before.dropped
                limited = after.limited - before.limited
                if dropped or limited:
                    kind = after.kind.name.lower()
                    found.append(
                        KernelLoss(now, reader.counted_at, after.ring, kind, dropped, limited)
                    )
            reader.counted = counts
            reader.counted_at = now
        return tuple(found)

    def retire_old(self) -> tuple[KernelObservation, ...]:
        """Detach all sets but the newest, drain them to the end and remove their pins."""
        rest: list[KernelObservation] = []
        while len(self._readers) > 1:
            reader = self._readers[0]
            reader.pins.detach()
            while raw := reader.commands.drain() + reader.lifecycle.drain():
                self._decode(raw, rest)
            self._close_reader(reader)
            reader.pins.remove()
            del self._readers[0]
        rest.sort(key=_time)
        return tuple(rest)

    @staticmethod
    def _close_reader(reader: _Reader) -> None:
        reader.lifecycle.close()
        reader.commands.close()
        reader.counters.close()

    def close(self) -> None:
        """Stop reading; the probes go on."""
        for reader in self._readers:
            self._close_reader(reader)
        self._readers.clear()


_COMMAND_TYPES = frozenset({"CommandExec", "CommandExit", "CgroupBirth"})


def _time(observation: KernelObservation) -> int:
    return observation.time

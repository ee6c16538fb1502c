"""The probes' per-CPU counters: records submitted, dropped and held back, by kind."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from sensor.bpf.layout import RecordKind
from sensor.bpf.libbpf import BpfMap, possible_cpus
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sensor.bpf.pins import PinSet

_DROPPED, _LIMITED = 1, 2
_LOADED_AT, _REPORTED_AT, _HANDLED, _SEEN_AT = 0, 1, 2, 5
"""``enum setting``: when the probes were attached, when losses were reported last, up to when
records were handled, and when an agent ran last."""

PLACES = (
    "inits",
    "started_mounts",
    "lineages",
    "budgets",
    "shares",
    "connections",
    "connecting",
    "verdicts",
    "request_read",
)
"""``enum failure``: what failed in the kernel where no record can say so."""

_COUNTERS = 3
"""``enum record_counter``: submitted, dropped, limited."""
_REPORTED = tuple(kind * _COUNTERS + what for kind in RecordKind for what in (_DROPPED, _LIMITED))
_WHEN = "told_at"


@dataclass(frozen=True, slots=True)
class KindCount:
    """Counts since the probes were loaded, summed over all CPUs."""

    kind: RecordKind
    submitted: int
    dropped: int
    limited: int

    @property
    def ring(self) -> str:
        """The ring that records of this kind go to."""
        return (
            "lifecycle" if self.kind in (RecordKind.INIT_EXEC, RecordKind.INIT_EXIT) else "commands"
        )


@dataclass(frozen=True, slots=True)
class RingLoss:
    """Records of one kind that were lost since ``since`` (ns since boot)."""

    count: KindCount
    since: int


class Counters:
    """Reads the counters of one probe set, and remembers in its maps what was reported of them.

    Losses while no agent ran are thus the next agent's to report.
    """

    def __init__(
        self, path: Path, reported: Path, settings: Path, failures: Path | None = None
    ) -> None:
        """``failures``: a set of layout 2 has none."""
        self._map = BpfMap.pinned(path)
        self._failures = BpfMap.pinned(failures) if failures is not None else None
        self._reported_map = BpfMap.pinned(reported)
        self._settings = BpfMap.pinned(settings)
        self._reported: dict[int, int] = {}
        """The reported part of each counter: this agent alone writes that map."""
        self._cpus = possible_cpus()
        self._copies = struct.Struct(f"<{self._cpus}Q")
        self._last = b""
        """What all counters were at the last look for losses."""

    @classmethod
    def of(cls, pins: PinSet) -> Counters:
        """Open those of a set; one of layout 2 has other names, and counts no failures."""
        reported, failures = pins.map("reported"), pins.map("failures")
        if not reported.exists():
            return cls(pins.map("counters"), pins.map("told"), pins.map("settings"))
        return cls(pins.map("counters"), reported, pins.map("settings"), failures)

    def _sums(self, of: BpfMap) -> list[int]:
        """Return the values of a per-CPU array, in the order of its entries."""
        return self._summed(of.array(self._cpus))

    def _summed(self, values: bytes) -> list[int]:
        return [sum(copies) for copies in self._copies.iter_unpack(values)]

    @staticmethod
    def _single(of: BpfMap, index: int) -> int:
        return int.from_bytes(of.lookup(index.to_bytes(4, "little")) or b"", "little")

    def read(self) -> tuple[KindCount, ...]:
        """Return current counts of every kind."""
        return self._counts(self._sums(self._map))

    @staticmethod
    def _counts(sums: list[int]) -> tuple[KindCount, ...]:
        # An older set counts fewer kinds.
        none = [0] * _COUNTERS
        starts = [(kind, kind * _COUNTERS) for kind in RecordKind]
        return tuple(KindCount(kind, *(sums[at : at + _COUNTERS] or none)) for kind, at in starts)

    def failures(self) -> tuple[tuple[str, int], ...]:
        """Return what failed in the kernel, by place, since the probes were loaded."""
        if self._failures is None:
            return ()
        return tuple(zip(PLACES, self._sums(self._failures), strict=False))

    def losses(self, now: int) -> tuple[RingLoss, ...]:
        """Return what was lost since the last call, of any agent; ``now`` in ns since boot."""
        found: list[RingLoss] = []
        values = self._map.array(self._cpus)
        if values != self._last:
            self._last = values
            since = self._single(self._settings, _REPORTED_AT)
            since = since or self._single(self._settings, _LOADED_AT)
            for count in self._counts(self._summed(values)):
                dropped = count.dropped - self._reported_of(count.kind * _COUNTERS + _DROPPED)
                limited = count.limited - self._reported_of(count.kind * _COUNTERS + _LIMITED)
                if dropped or limited:
                    found.append(RingLoss(KindCount(count.kind, 0, dropped, limited), since))
                    self._tell(count.kind * _COUNTERS + _DROPPED, count.dropped)
                    self._tell(count.kind * _COUNTERS + _LIMITED, count.limited)
        self._settings.update(_REPORTED_AT.to_bytes(4, "little"), now.to_bytes(8, "little"))
        return tuple(found)

    def checkpoint(self) -> dict[str, int]:
        """Return up to where losses were reported, for :meth:`take_back`."""
        values = {str(index): self._reported_of(index) for index in _REPORTED}
        return {**values, _WHEN: self._single(self._settings, _REPORTED_AT)}

    def take_back(self, kept: Mapping[str, int]) -> None:
        """Forget reports that came after ``kept``, a checkpoint: they were lost with an agent.

        The next :meth:`losses` reports them again. A checkpoint that is ahead of the maps is of
        other counters and changes nothing.
        """
        behind = False
        for index in _REPORTED:
            value = kept.get(str(index))
            if value is not None and value < self._reported_of(index):
                self._tell(index, value)
                self._last = b""
                behind = True
        when = kept.get(_WHEN, 0)
        if behind and when < self._single(self._settings, _REPORTED_AT):
            self._settings.update(_REPORTED_AT.to_bytes(4, "little"), when.to_bytes(8, "little"))

    def _reported_of(self, index: int) -> int:
        if index not in self._reported:
            self._reported[index] = self._single(self._reported_map, index)
        return self._reported[index]

    def _tell(self, index: int, value: int) -> None:
        self._reported[index] = value
        self._reported_map.update(index.to_bytes(4, "little"), value.to_bytes(8, "little"))

    def close(self) -> None:
        """Close the maps."""
        self._map.close()
        if self._failures is not None:
            self._failures.close()
        self._reported_map.close()
        self._settings.close()


class Progress:
    """How far agents have handled a probe set's records, kept in the set's own ``settings``."""

    def __init__(self, settings: Path) -> None:
        self._settings = BpfMap.pinned(settings)
        self._noted = 0

    def handled(self) -> int:
        """Time of the newest record that was handled, in ns since boot; 0 when none was."""
        value = self._settings.lookup(_HANDLED.to_bytes(4, "little"))
        return int.from_bytes(value or b"", "little")

    def note(self, time: int) -> None:
        """Record that everything up to ``time`` is handled, and durable."""
        if time > self._noted:
            self._noted = time
            self._settings.update(_HANDLED.to_bytes(4, "little"), time.to_bytes(8, "little"))

    def seen_at(self) -> int:
        """When an agent ran last, in ns since boot; 0 when none did."""
        value = self._settings.lookup(_SEEN_AT.to_bytes(4, "little"))
        return int.from_bytes(value or b"", "little")

    def see(self, time: int) -> None:
        """Record that an agent runs."""
        self._settings.update(_SEEN_AT.to_bytes(4, "little"), time.to_bytes(8, "little"))

    def close(self) -> None:
        """Close the map."""
        self._settings.close()


class RingSpace:
    """Says to the probes how much of the rings is free again: ``enum ring_position``."""

    _LIFECYCLE, _COMMANDS = 1, 3

    def __init__(self, path: Path) -> None:
        self._map = BpfMap.pinned(path)

    @classmethod
    def of(cls, pins: PinSet) -> RingSpace | None:
        """Open that of a set; None for one of layout 2, whose users all have the same share."""
        path = pins.map("ring_positions")
        return cls(path) if path.exists() else None

    def note(self, lifecycle: int | None, commands: int | None) -> None:
        """Record up to which position of each ring everything was released."""
        for index, position in ((self._LIFECYCLE, lifecycle), (self._COMMANDS, commands)):
            if position is not None:
                self._map.update(index.to_bytes(4, "little"), position.to_bytes(8, "little"))

    def close(self) -> None:
        """Close the map."""
        self._map.close()

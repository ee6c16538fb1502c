"""The probes' per-CPU counters: records submitted, dropped and held back, by kind."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.kernel.libbpf import BpfMap, possible_cpus
from sensor.kernel.record import Kind

if TYPE_CHECKING:
    from pathlib import Path

_COUNTERS = 3
"""``enum record_counter``: submitted, dropped, limited."""


@dataclass(frozen=True, slots=True)
class KindCount:
    """Counts since the probes were loaded, summed over all CPUs."""

    kind: Kind
    submitted: int
    dropped: int
    limited: int

    @property
    def ring(self) -> str:
        """The ring that records of this kind go to."""
        return "lifecycle" if self.kind in (Kind.INIT_EXEC, Kind.INIT_EXIT) else "commands"


class Counters:
    """Reads the ``counters`` map of one probe set."""

    def __init__(self, path: Path) -> None:
        self._map = BpfMap.pinned(path)
        self._cpus = possible_cpus()
        self._copies = struct.Struct(f"<{self._cpus}Q")

    def _sum(self, index: int) -> int:
        value = self._map.lookup(index.to_bytes(4, "little"), self._cpus)
        return sum(self._copies.unpack(value)) if value is not None else 0

    def read(self) -> tuple[KindCount, ...]:
        """Read the current counts of every kind."""
        return tuple(
            KindCount(kind, *(self._sum(kind * _COUNTERS + what) for what in range(_COUNTERS)))
            for kind in Kind
        )

    def close(self) -> None:
        """Close the map."""
        self._map.close()

"""A batch: what becomes one transaction. ``queue.py`` fills and takes batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.model.inventory import KnownContainer
    from sensor.store.entry import NewEntry
    from sensor.store.knowledge import Key, KnowledgeNote

JudgedRows = Mapping[tuple[str, str], bytes | None]
"""What the judge remembers, by kind and key; None for what is forgotten."""


@dataclass(frozen=True, slots=True)
class LostEntries:
    """Entries that were not kept: ns since boot of the first and the last, and how many."""

    since: int
    until: int
    lost: int

    def add(self, entry: NewEntry) -> LostEntries:
        """Count one more."""
        return LostEntries(min(self.since, entry.time), max(self.until, entry.time), self.lost + 1)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a collector refused and that is not sent again: sequence, reason, time.

    ``refused_wall`` is wall time in ns.
    """

    sequence: int
    reason: str
    refused_wall: int


@dataclass(slots=True)
class PlacedEntry:
    """An entry in its place, and how far its time lies behind the latest before it, in ns."""

    sequence: int
    lag: int
    entry: NewEntry


@dataclass(slots=True)
class WriteBatch:
    """One transaction to be."""

    opened: float
    lines: list[PlacedEntry] = field(default_factory=list)
    note: KnowledgeNote | None = None
    ahead: dict[Key, KnownContainer] = field(default_factory=dict)
    """Containers as the lines left them, as far as the note does not have them."""
    cursors: dict[str, int | None] = field(default_factory=dict)
    """None for one that is removed."""
    counters: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name to boot id and value."""
    dead: dict[tuple[str, int], DeadLetter | None] = field(default_factory=dict)
    """By output and sequence; None for one that is removed."""
    forgotten: set[str] = field(default_factory=set)
    """Outputs whose cursor and dead letters are removed."""
    judged: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    """What the judge remembers, by kind and key; None for what is forgotten."""
    tokens: list[object] = field(default_factory=list)
    """The newest mark, if any."""
    taken: bool = False

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.lines
            or self.note
            or self.ahead
            or self.cursors
            or self.counters
            or self.dead
            or self.forgotten
            or self.judged
        )

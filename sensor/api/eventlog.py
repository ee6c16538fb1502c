"""What the socket asks of the event log, as a protocol: :mod:`sensor.api.storelog` has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events, and from where on.

    Times are wall-clock ns since the Unix epoch, both included.
    ``position`` is the sequence that the answer begins after: the next higher ones, or, with
    ``newest_first``, the next lower ones. ``container`` is the beginning of an id or a whole name.
    """

    since: int | None = None
    until: int | None = None
    position: int | None = None
    newest_first: bool = False
    types: frozenset[str] = frozenset()
    container: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log: ``line`` is its JSON document with the newline."""

    sequence: int
    line: bytes


@dataclass(frozen=True, slots=True)
class LoggedPage:
    """Part of a selection. ``position`` is where the next part begins, if there is ``more``."""

    events: tuple[LoggedEvent, ...]
    position: int
    more: bool


class EventLog(Protocol):
    """The log as the socket sees it, with what still waits for the disk."""

    @property
    def stream(self) -> str:
        """The log's own name: cursors of another log mean nothing here. Asked in the loop."""

    def newest(self) -> int:
        """Return the highest sequence that was given. Asked in the loop."""

    def oldest(self) -> int:
        """Return the lowest position after which nothing was dropped. Asked in a worker thread."""

    def page(self, selection: Selection, rows: int) -> LoggedPage:
        """Return the next events of a selection, at most ``rows``. Asked in a worker thread.

        Raises :class:`~sensor.errors.StateUnusable` when the log cannot be read, another
        CastoffError when what follows the position was dropped, and ValueError for a selection that
        fits too much.
        """


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a log: after the event of that sequence."""

    stream: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.stream}-{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor; raises ValueError for anything else."""
        stream, _, digits = text.rpartition("-")
        well_formed = stream.isascii() and stream.isalnum() and digits.isascii()
        if not well_formed or not digits.isdecimal() or len(digits) > DIGITS_MAX:
            message = f"{text[:SHOWN]!r} is not a cursor: take one from an event's line"
            raise ValueError(message)
        return cls(stream, int(digits))


DIGITS_MAX = 18
SHOWN = 64
"""Characters of what was sent that an error repeats."""

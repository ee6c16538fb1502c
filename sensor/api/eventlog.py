"""What the socket asks of the event log, as a protocol: :mod:`sensor.api.storelog` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.dataclass import dataclass
from sensor.schema.log_stamp import stamped

if TYPE_CHECKING:
    from sensor.store.entry import LogEntry
    from sensor.store.query import Page, Query


class EventLog(Protocol):
    """The log as the socket sees it, with what still waits for the disk."""

    @property
    def stream(self) -> str:
        """The log's own name: cursors of another log mean nothing here. Asked in the loop."""

    def newest(self) -> int:
        """Return the highest sequence that was given. Asked in the loop."""

    def oldest(self) -> int:
        """Return the lowest position after which nothing was dropped. Asked in a worker thread."""

    def page(self, query: Query) -> Page:
        """Return a page of a query's answer. Asked in a worker thread.

        Raises :class:`~sensor.errors.StateUnusable` when the log cannot be read, another
        CastoffError when what follows the cursor was dropped, and ValueError for a query that fits
        too much.
        """


def line_of(entry: LogEntry, stream: str) -> bytes:
    """Return an entry's JSON line with its place in the log of that name."""
    return stamped(entry.entry.body, stream, entry.link)


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

"""A query of the log and a page of its answer: the same two types from the socket to SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from sensor.store.entry import LogEntry

LIMIT = 1000
"""Entries of one page, at most."""

PAGE_BYTES = 4 << 20
"""Bytes of the bodies of one page, about."""

MATCHES = 64
"""Containers that a prefix may name."""


class CursorExpired(CastoffError):
    """The log no longer has, or never had, what follows a cursor.

    ``oldest`` is the cursor to go on with: everything that is left comes after it.
    """

    exit_code = 1

    def __init__(self, oldest: int) -> None:
        super().__init__(
            f"the log begins after cursor {oldest}", "Go on from that one; what was before is gone."
        )
        self.oldest = oldest


class TooManyMatches(CastoffError):
    """A prefix names more than ``MATCHES`` containers."""

    exit_code = 1

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"more than {MATCHES} containers begin with {prefix!r}", "Give more of the id."
        )


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries, and from where on; None and no types mean all of them.

    ``since`` and ``until`` are wall times in ns, both included (:mod:`sensor.store.time_range` has
    their meaning when the clock was set). ``after`` and ``before`` are sequences, excluded: the
    cursors of the page before. ``container`` is the beginning of an id, or a whole name. ``rows``
    is the size of a page, at most ``LIMIT``.
    """

    since: int | None = None
    until: int | None = None
    after: int | None = None
    before: int | None = None
    types: frozenset[str] = frozenset()
    container: str | None = None
    rows: int = 100
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Part of an answer.

    ``cursor`` is the next page's ``after``, or its ``before`` with newest first. Without ``more``
    it is where the log ended: a follower goes on from there. ``damaged`` counts entries that could
    not be read and are left out.
    """

    entries: tuple[LogEntry, ...]
    cursor: int
    more: bool
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """The log's identity and ends: entries after ``oldest``, a cursor, up to ``newest``."""

    stream: str
    oldest: int
    newest: int
    reserved: int

"""The store's event log as the socket asks it: what is on disk, and what still waits for it.

What waits is taken first and the disk read then, so that nothing falls in between; what is in both
counts once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sensor.store.query import CursorExpired, Page, TooManyMatches

if TYPE_CHECKING:
    from sensor.store.entry import LogEntry
    from sensor.store.log import StoreHealth
    from sensor.store.query import Extent, Query

UNNAMED = "unwritten"
"""The stream's name while the disk has not let the log be made."""


class Writing(Protocol):
    """What is asked of :class:`sensor.store.log.Store`."""

    def health(self) -> StoreHealth:
        """Return how the store is doing."""

    def unwritten(self, after: int = 0) -> tuple[LogEntry, ...]:
        """Return the entries beyond ``after`` that wait for the disk."""


class LogReading(Protocol):
    """What is asked of :class:`sensor.store.reader.LogReader`."""

    def extent(self) -> Extent:
        """Return the log's ends."""

    def read(self, query: Query) -> Page:
        """Answer a query."""


class StoreLog:
    """Both sides of a store, as an :class:`~sensor.api.eventlog.EventLog`."""

    def __init__(self, store: Writing, reader: LogReading) -> None:
        self._store = store
        self._reader = reader

    @property
    def stream(self) -> str:
        """The log's own name."""
        return self._store.health().stream or UNNAMED

    def newest(self) -> int:
        """Return the highest sequence that was given."""
        return self._store.health().next - 1

    def oldest(self) -> int:
        """Return the lowest position after which nothing was dropped."""
        return self._reader.extent().oldest if self._is_made() else 0

    def _is_made(self) -> bool:
        """Whether there is a log on disk: a disk that was full from the beginning has none."""
        return self._store.health().stream is not None

    def page(self, query: Query) -> Page:
        """Return a page of a query's answer."""
        first = 0 if query.newest_first else query.after or 0
        waiting = [one for one in self._store.unwritten(first) if _fits(one, query)]
        answer = self._backwards if query.newest_first else self._forwards
        return answer(query, waiting)

    def _forwards(self, query: Query, waiting: list[LogEntry]) -> Page:
        after = query.after or 0
        only_waiting = Page(tuple(waiting), after, more=False)
        if not self._is_made():
            return _cut(only_waiting, query.rows)
        try:
            stored = self._read(query)
        except CursorExpired as error:
            if after <= error.oldest:
                raise
            # Beyond the end on disk: only what waits is left.
            return _cut(only_waiting, query.rows)
        if stored.more:
            return stored
        last = max(after, stored.entries[-1].sequence if stored.entries else 0)
        rest = tuple(one for one in waiting if one.sequence > last)
        return _cut(replace(stored, entries=stored.entries + rest), query.rows)

    def _backwards(self, query: Query, waiting: list[LogEntry]) -> Page:
        newest = Page(tuple(reversed(waiting)), 0, more=False)
        if len(waiting) > query.rows or not self._is_made():
            return _cut(newest, query.rows)
        held = {entry.sequence for entry in waiting}
        stored = self._read(query)
        rest = tuple(one for one in stored.entries if one.sequence not in held)
        return _cut(replace(stored, entries=newest.entries + rest), query.rows)

    def _read(self, query: Query) -> Page:
        try:
            return self._reader.read(query)
        except TooManyMatches as error:
            raise ValueError(error.problem) from error


def _cut(page: Page, rows: int) -> Page:
    """Cut to the page's size; the cursor is the last entry's where it was cut."""
    if len(page.entries) <= rows:
        return page
    kept = page.entries[:rows]
    return replace(page, entries=kept, cursor=kept[-1].sequence, more=True)


def _fits(entry: LogEntry, query: Query) -> bool:
    event = entry.entry
    if query.before is not None and entry.sequence >= query.before:
        return False
    if query.after is not None and entry.sequence <= query.after:
        return False
    if query.types and event.type not in query.types:
        return False
    if not (query.since or 0) <= event.wall <= (query.until or event.wall):
        return False
    wanted = query.container
    return wanted is None or event.name == wanted or (event.container_id or "").startswith(wanted)

"""The store's event log as the socket asks it: what is on disk, and what still waits for it.

What waits is taken first and the disk read then, so that nothing falls in between; what is in both
counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.api.eventlog import LoggedEvent, LoggedPage
from sensor.schema.log_stamp import stamped
from sensor.store.reader import CursorExpired, Query, TooManyMatches

if TYPE_CHECKING:
    from sensor.api.eventlog import Selection
    from sensor.store.entry import Entry
    from sensor.store.log import StoreHealth
    from sensor.store.reader import Extent, Page

UNNAMED = "unwritten"
"""The stream's name while the disk has not let the log be made."""


class Writing(Protocol):
    """What is asked of :class:`sensor.store.log.Store`."""

    def health(self) -> StoreHealth:
        """Return how the store is doing."""

    def unwritten(self, after: int = 0) -> tuple[Entry, ...]:
        """Return the entries beyond ``after`` that wait for the disk."""


class Reading(Protocol):
    """What is asked of :class:`sensor.store.reader.Reader`."""

    def extent(self) -> Extent:
        """Return the log's ends."""

    def read(self, query: Query) -> Page:
        """Answer a query."""


class StoreLog:
    """Both sides of a store, as an :class:`~sensor.api.eventlog.EventLog`."""

    def __init__(self, store: Writing, reader: Reading) -> None:
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

    def page(self, selection: Selection, rows: int) -> LoggedPage:
        """Return the next events of a selection."""
        position = selection.position
        waiting = [
            entry
            for entry in self._store.unwritten(0 if selection.newest_first else position or 0)
            if _fits(entry, selection)
        ]
        if selection.newest_first:
            return self._backwards(selection, waiting, rows)
        return self._forwards(selection, waiting, rows)

    def _forwards(self, selection: Selection, waiting: list[Entry], rows: int) -> LoggedPage:
        position = selection.position or 0
        if not self._is_made():
            return self._page(waiting, rows, position, more=False)
        try:
            stored = self._read(selection, rows)
        except CursorExpired as error:
            if position <= error.oldest:
                raise
            # Beyond the end on disk: only what waits is left.
            return self._page(waiting, rows, position, more=False)
        entries = list(stored.entries)
        if not stored.more:
            last = max(position, entries[-1].sequence if entries else 0)
            entries += [entry for entry in waiting if entry.sequence > last]
        return self._page(entries, rows, stored.cursor, more=stored.more)

    def _backwards(self, selection: Selection, waiting: list[Entry], rows: int) -> LoggedPage:
        before = selection.position
        entries = [one for one in reversed(waiting) if before is None or one.sequence < before]
        if len(entries) > rows:
            return self._page(entries, rows, 0, more=True)
        if not self._is_made():
            return self._page(entries, rows, 0, more=False)
        held = {entry.sequence for entry in entries}
        stored = self._read(selection, rows)
        entries += [entry for entry in stored.entries if entry.sequence not in held]
        return self._page(entries, rows, stored.cursor, more=stored.more)

    def _page(self, entries: list[Entry], rows: int, position: int, *, more: bool) -> LoggedPage:
        """Cut to the page's size; the position is the last event's where it was cut."""
        kept = entries[:rows]
        if len(entries) > rows:
            position, more = kept[-1].sequence, True
        stream = self.stream
        events = tuple(
            LoggedEvent(one.sequence, stamped(one.entry.body, stream, one.link)) for one in kept
        )
        return LoggedPage(events, position, more)

    def _read(self, selection: Selection, rows: int) -> Page:
        position = selection.position
        query = Query(
            since=selection.since,
            until=selection.until,
            after=None if selection.newest_first else position,
            before=position if selection.newest_first else None,
            types=tuple(sorted(selection.types)),
            container=selection.container,
            limit=rows,
            newest_first=selection.newest_first,
        )
        try:
            return self._reader.read(query)
        except TooManyMatches as error:
            raise ValueError(error.problem) from error


def _fits(entry: Entry, selection: Selection) -> bool:
    event = entry.entry
    if selection.types and event.type not in selection.types:
        return False
    if not (selection.since or 0) <= event.wall <= (selection.until or event.wall):
        return False
    wanted = selection.container
    return wanted is None or event.name == wanted or (event.container_id or "").startswith(wanted)

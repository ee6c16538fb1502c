"""Reading the log in pages, with filters. Runs in the worker thread; a page at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.api.eventlog import EventLog
    from sensor.schema.filters import Filters
    from sensor.store.entry import LogEntry
    from sensor.store.query import Query


class Scan:
    """Goes through a query's answer; ``position`` is the last sequence looked at.

    ``done`` once nothing is left, as far as the log knew then: :meth:`next` may be called again for
    what came since.
    """

    def __init__(self, log: EventLog, query: Query, filters: Filters) -> None:
        self._log = log
        self._query = query
        self._matches = filters.matcher() if filters.wanted else None
        self.position = query.after
        self.done = False

    def next(self) -> list[LogEntry]:
        """Read one page; return what is wanted of it, perhaps nothing."""
        return self._read(replace(self._query, after=self.position))

    def back(self, count: int) -> int:
        """Read one page backwards; return how many of the last ``count`` wanted are still to find.

        Call it until 0 is returned or the scan is ``done``, then :meth:`turn`.
        """
        backwards = replace(self._query, before=self.position, newest_first=True)
        found = self._read(backwards)
        if len(found) < count:
            return count - len(found)
        self.position = found[count - 1].sequence
        return 0

    def turn(self) -> None:
        """Go forward from the event that was looked at last, that one included."""
        if self.position is not None:
            self.position -= 1
        self.done = False

    def _read(self, query: Query) -> list[LogEntry]:
        page = self._log.page(query)
        self.done = not page.more
        if page.entries or page.more:
            self.position = page.entries[-1].sequence if self.done else page.cursor
        if self._matches is None:
            return list(page.entries)
        return [one for one in page.entries if self._matches(json.loads(one.entry.body))]

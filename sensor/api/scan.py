"""Reading the log in pages, with filters. Runs in the worker thread; a page at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.api.eventlog import Selection

if TYPE_CHECKING:
    from sensor.api.eventlog import EventLog, LoggedEvent
    from sensor.api.query import EventQuery


class Scan:
    """Goes through a selection of the log; ``position`` is the last sequence looked at.

    ``done`` once nothing is left, as far as the log knew then: :meth:`next` may be called again for
    what came since.
    """

    def __init__(self, log: EventLog, query: EventQuery, rows: int) -> None:
        containers = query.filters.values("container")
        self._log = log
        self._rows = rows
        self._selection = Selection(
            since=query.since,
            until=query.until,
            types=query.filters.types,
            container=containers[0] if len(containers) == 1 else None,
        )
        self._matches = query.filters.matcher() if query.filters.wanted else None
        self.position = query.after.sequence if query.after is not None else None
        self.done = False

    def next(self) -> list[LoggedEvent]:
        """Read one page; return what is wanted of it, perhaps nothing."""
        selection = replace(self._selection, position=self.position)
        return self._read(selection)

    def back(self, count: int) -> int:
        """Read one page backwards; return how many of the last ``count`` wanted are still to find.

        Call it until 0 is returned or the scan is ``done``, then :meth:`turn`.
        """
        backwards = replace(self._selection, position=self.position, newest_first=True)
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

    def _read(self, selection: Selection) -> list[LoggedEvent]:
        page = self._log.page(selection, self._rows)
        self.done = not page.more
        if page.events or page.more:
            self.position = page.events[-1].sequence if self.done else page.position
        if self._matches is None:
            return list(page.events)
        return [event for event in page.events if self._matches(json.loads(event.line))]

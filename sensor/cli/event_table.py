"""The table of events out of their JSON documents, with a line where a new day begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.cli.reading import event_of
from sensor.cli.table import Table
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sensor.model.events import Event

DATE = 10
"""Characters of a date in RFC 3339."""


class EventTable:
    """Lines for people; ``columns`` is None where nothing is cut."""

    def __init__(self, columns: int | None, *, colour: bool) -> None:
        self._table = Table(columns, colour)
        self._day: str | None = None

    def header(self) -> str:
        """Return the line with the columns' names."""
        return self._table.header()

    def lines(self, document: Mapping[str, Any]) -> Iterator[str]:
        """Return an event's line, after the date where that is another one than before."""
        event = event_of(document)
        if event is not None:
            yield from self.lines_of(event)

    def lines_of(self, event: Event) -> Iterator[str]:
        """Return an event's line, after the date where that is another one than before."""
        day = (rfc3339(event.time + event.realtime_offset) or "")[:DATE]
        if day != self._day:
            self._day = day
            yield day
        yield self._table.line(event)

"""From a page of the log to the stretches that an output ships: filtered, and cut to its limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Record
from sensor.outputs.engine.stretch import Stretch
from sensor.outputs.engine.window import make_batch
from sensor.schema.log_stamp import stamped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.schema.filters import Filters
    from sensor.store.pages import LogPage, Row


class Cutter:
    """Cuts pages for one output. Pure."""

    def __init__(self, filters: Filters) -> None:
        self._types = filters.types
        self._matches = filters.matcher() if filters.wanted else None
        self.unreadable = 0
        """Events that were shipped unfiltered because their lines are not JSON."""

    def cut(self, page: LogPage, limit: int, *, dead: bool = False) -> Iterator[Stretch]:
        """Yield the page's stretches: batches of lines of at most ``limit`` bytes together.

        A line that is longer stands alone. Dead letters are not filtered again.
        """
        records: list[Record] = []
        size = rows = 0
        for row in page.rows:
            rows += 1
            if not dead and not self._is_wanted(row):
                continue
            if records and size + len(row.body) > limit:
                batch = make_batch(page.stream, records)
                yield Stretch(batch, records[-1].sequence, rows - 1, dead=dead)
                records, size, rows = [], 0, 1
            line = stamped(row.body, page.stream, row.link)
            records.append(Record(row.sequence, row.id, row.type, row.wall, line))
            size += len(row.body)
        last = make_batch(page.stream, records) if records else None
        yield Stretch(last, page.through, rows + page.damaged, dead=dead)

    def _is_wanted(self, row: Row) -> bool:
        if self._types and row.type not in self._types:
            return False
        if self._matches is None:
            return True
        try:
            return self._matches(json.loads(row.body))
        except (ValueError, AttributeError):
            # Unknown: rather one too many.
            self.unreadable += 1
            return True

"""Fill a new baseline from the log: an agent that is upgraded need not learn for a week again.

The starts of the log that no alert is about are learnt in their order, a page at a time: the pages
are read and decoded in a thread, and learnt in the loop. An agent that ends meanwhile begins the
fill anew.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensor.errors import CastoffError
from sensor.model.vocabulary import EventType
from sensor.schema.start_reader import event_of
from sensor.store.query import CursorExpired, Query

if TYPE_CHECKING:
    from sensor.judge.judge import Judge
    from sensor.model.events import Event
    from sensor.store.query import Page
    from sensor.store.reader import LogReader

PAGE = 50
"""Starts that are learnt without a pause: a few ms of the loop."""
FILL_MAX = 200_000
"""Starts that are learnt at most."""
PAUSE = 0.01
"""Seconds for which the loop is left alone between two pages."""

log = logging.getLogger("castoff")


class BaselineFill:
    """One fill; ``learnt`` counts."""

    def __init__(self, judge: Judge, reader: LogReader) -> None:
        self._judge = judge
        self._reader = reader
        self.learnt = 0

    @property
    def is_due(self) -> bool:
        """Whether the log was never read, or not to its end."""
        return not self._judge.alerting.baseline.state.filled

    def begin(self) -> int:
        """Forget what an unfinished fill left; returns the log's newest sequence."""
        baseline = self._judge.alerting.baseline
        baseline.clear()
        baseline.state.filling = True
        baseline.write_state()
        try:
            return self._reader.extent().newest
        except CastoffError as error:
            log.warning("the baseline cannot be filled from the log: %s", error.problem)
            return 0

    async def run(self, newest: int) -> None:
        """Learn the log up to a sequence."""
        after = 0
        while after < newest and self.learnt < FILL_MAX:
            page, after = await asyncio.to_thread(self._page, after, newest)
            if page is None:
                break
            self.learnt += sum(map(self._judge.learn, page))
            await asyncio.sleep(PAUSE)
        state = self._judge.alerting.baseline.state
        state.filled, state.filling = True, False
        self._judge.alerting.baseline.write_state()
        if self.learnt:
            log.info("the baseline was filled with %d starts of the log", self.learnt)

    def _page(self, after: int, newest: int) -> tuple[list[Event] | None, int]:
        """Read and decode a page, in a thread."""
        try:
            page = self._read(after, newest)
        except CastoffError as error:
            log.warning("the baseline was filled in part: %s", error.problem)
            return None, after
        found = (_expected(json.loads(entry.entry.body)) for entry in page.entries)
        events = [one for one in found if one is not None]
        return events, page.cursor if page.more else newest

    def _read(self, after: int, newest: int) -> Page:
        starts = frozenset({EventType.START.value})
        query = Query(after=after, before=newest + 1, types=starts, rows=PAGE)
        try:
            return self._reader.read(query)
        except CursorExpired as expired:
            return self._reader.read(replace(query, after=expired.oldest))


def _expected(document: dict[str, Any]) -> Event | None:
    """Return the start; None for one that was not expected, and for what cannot be read."""
    verdict = document.get("verdict")
    if isinstance(verdict, dict) and verdict.get("expected") is False:
        return None
    return event_of(document)

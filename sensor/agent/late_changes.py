"""Looks back for changes: which open alerts are about earlier starts that a change covers.

The starts are read from the log in a thread, once all of them are on disk. What the change may do
is in :mod:`sensor.judge.late_change`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor import clock
from sensor.errors import CastoffError
from sensor.judge import late_change
from sensor.judge.case import facts_of
from sensor.judge.late_change import SeenStart
from sensor.model.vocabulary import EventType
from sensor.schema.start_reader import document_of, event_of
from sensor.store.query import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.judge.alert_row import AlertEntry
    from sensor.judge.judge import Judge
    from sensor.store.reader import LogReader

FLUSH_SECONDS = 5.0
"""How long a look back waits for the disk."""
READ_MAX = 4000
"""Starts of the log that are read for one change."""
ROWS = 200
SLACK = 1_000_000
"""Nanoseconds by which a time of the log may differ from that of an alert."""

log = logging.getLogger("castoff")


class LateChanges:
    """Acknowledges alerts of one judge, with the starts of one log."""

    def __init__(self, judge: Judge, reader: LogReader, flush: Callable[[float], bool]) -> None:
        """``flush`` waits until all that was handed to the store is on disk."""
        self._judge = judge
        self._reader = reader
        self._flush = flush

    async def look_back(self, ids: Sequence[str]) -> None:
        """Acknowledge what these changes cover of before they were added."""
        for id_ in ids:
            await self._look_back(id_)

    async def _look_back(self, id_: str) -> None:
        judge = self._judge
        now = judge.moment(clock.boottime(), clock.realtime_offset())
        entry = judge.ledger.get(id_, now.time + now.realtime_offset)
        if entry is None:
            return
        alerts = late_change.candidates(entry.change, judge.alerting.book.entries())
        if not alerts:
            return
        await asyncio.to_thread(self._flush, FLUSH_SECONDS)
        seen = await asyncio.to_thread(self._seen, alerts)
        # An alert that another start joined meanwhile has more starts than were read.
        judge.acknowledge_late(id_, seen, now)

    def _seen(self, alerts: Iterable[AlertEntry]) -> dict[str, SeenStart]:
        """Read the starts of alerts, in a thread."""
        found: dict[str, SeenStart] = {}
        left = READ_MAX
        try:
            for alert in alerts:
                left -= self._read(alert, found, left)
        except CastoffError as error:
            log.warning("a change looked back in part: %s", error.problem)
        return found

    def _read(self, alert: AlertEntry, found: dict[str, SeenStart], most: int) -> int:
        missing = {id_ for id_ in alert.starts if id_ not in found}
        query = Query(
            since=alert.first - SLACK,
            until=alert.last + SLACK,
            types=frozenset({EventType.START.value}),
            rows=ROWS,
        )
        read, after = 0, None
        while missing and read < most:
            page = self._reader.read(replace(query, after=after))
            for one in page.entries:
                read += 1
                start = _start(one.entry.body)
                if start is not None and start[0] in missing:
                    missing.discard(start[0])
                    found[start[0]] = start[1]
            if not page.more:
                break
            after = page.cursor
        return read


def _start(line: bytes) -> tuple[str, SeenStart] | None:
    try:
        document = document_of(line)
    except ValueError:
        return None
    event = event_of(document)
    facts = facts_of(event) if event is not None else None
    if event is None or facts is None:
        return None
    verdict = document.get("verdict")
    findings = verdict.get("findings") if isinstance(verdict, dict) else None
    return event.id, SeenStart(facts, frozenset(map(str, findings or ())))

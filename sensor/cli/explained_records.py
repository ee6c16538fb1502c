"""How records of control planes were read: as JSON, and counted by operation."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from sensor.correlate.request_events import type_of
from sensor.model.control_plane import Effect, Standing
from sensor.schema.request_block import request_block
from sensor.schema.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.control_plane import ControlRecord
    from sensor.sources.controlplane.reader import Counts

SHOWN = 20
"""Operations that are listed in the summary, the most frequent first."""
OPERATIONS_LIMIT = 1000
"""Operations that are counted apart."""


def json_line(record: ControlRecord) -> bytes:
    """Return a record as a line of JSON: what it is to a start, and its request block."""
    document = {
        "start": record.standing,
        "key": record.key,
        "request": request_block(record.request),
    }
    return json.dumps(document).encode() + b"\n"


class Readings:
    """Counts the records that make no event, by operation and reason."""

    def __init__(self) -> None:
        self._without: Counter[tuple[str, str]] = Counter()

    def add(self, record: ControlRecord) -> None:
        """Count a record, unless it makes an event."""
        if type_of(record) is not None:
            return
        request = record.request
        why = _WHY.get(request.effect, "no container starts or stops by it")
        if record.standing is Standing.RELATED:
            why = "a step between a request and a start"
        key = (request.action or "-", why)
        if key in self._without or len(self._without) < OPERATIONS_LIMIT:
            self._without[key] += 1

    def lines(self) -> Iterator[str]:
        """Yield what makes no event, the most frequent first."""
        for (operation, why), number in self._without.most_common(SHOWN):
            yield f"  {number:7} make no event: {visible(operation)} ({why})"


_WHY = {
    Effect.DUPLICATE_STAGE: "a later record of the same request says more",
    Effect.DRY_RUN: "a dry run",
    Effect.CONFIG: "it changes nothing that runs",
    Effect.EXEC: "a process in a container that runs",
    Effect.STOP: "no container starts by it",
}


def summary(
    counts: Counts, events: int, *, explain: bool, readings: Readings | None = None
) -> Iterator[str]:
    """Yield what was read, skipped and not understood, in lines for people."""
    skipped = counts.skipped.total()
    made = "" if explain else f", {events} events"
    yield f"{counts.records} records read{made}, {skipped} skipped, {counts.bad} failed"
    if readings is not None:
        yield from readings.lines()
    if explain or not events:
        for operation, number in counts.skipped.most_common(SHOWN):
            yield f"  {number:7} skipped: {visible(operation)}"

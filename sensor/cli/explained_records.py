"""How records of control planes were read, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from sensor.correlate.request_events import type_of
from sensor.model.control_plane import Effect, Standing
from sensor.schema.request_block import request_block
from sensor.schema.text import fit, visible
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.control_plane import ControlRecord
    from sensor.sources.controlplane.reader import Counts

SHOWN = 20
"""Operations that are listed in the summary, the most frequent first."""
OPERATIONS_LIMIT = 1000
"""Operations that are counted apart."""
_WIDTHS = (24, 12, 9, 10, 8, 30, 32)
_NAMES = ("WHERE", "TIME (UTC)", "START", "EFFECT", "OUTCOME", "WHO", "ACTION", "WHAT")


def table_head() -> bytes:
    """Return the names of the columns."""
    return _row(_NAMES)


def table_line(record: ControlRecord) -> bytes:
    """Return a record as a row."""
    request = record.request
    ref, actor = request.ref, request.actor
    where = "-"
    if ref is not None:
        name = ref.file.rpartition("/")[2]
        where = f"{name[-16:]}:{ref.line}" + (f".{ref.item}" if ref.item else "")
    when = rfc3339(request.requested)
    who = "-"
    if actor is not None:
        acted = f" as {actor.impersonated}" if actor.impersonated else ""
        who = actor.name.rpartition("system:serviceaccount:")[2] + acted
    return _row(
        (
            where,
            when[11:23] if when is not None else "-",
            record.standing,
            request.effect,
            request.outcome or "-",
            who,
            request.action or "-",
            _what(record),
        )
    )


def _what(record: ControlRecord) -> str:
    workload = record.request.workload
    if workload is None:
        return "-"
    name = workload.name or workload.definition or workload.task or workload.generate_name
    path = "/".join(part for part in (workload.namespace, name) if part)
    count = "" if workload.replicas is None else f" x{workload.replicas}"
    images = ", ".join(one.image for one in record.request.containers if one.image)
    return f"{workload.kind} {path}{count}" + (f" [{images}]" if images else "")


def _row(cells: tuple[str, ...]) -> bytes:
    shown = [visible(cell) for cell in cells]
    fixed = [fit(cell, width) for cell, width in zip(shown, _WIDTHS, strict=False)]
    return ("  ".join([*fixed, shown[-1][:200]]).rstrip() + "\n").encode("utf-8", "replace")


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

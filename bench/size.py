"""How large events are on the wire."""

from __future__ import annotations

import gzip
import json
import statistics
from typing import TYPE_CHECKING

from bench.agent import wall
from bench.rows import Row
from sensor.outputs.delivery import Batch, Record
from sensor.outputs.forward import record
from sensor.outputs.forward.chunk import Encoding, encode
from sensor.outputs.forward.output import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.burst import Burst

BATCH = 500
IN_CHUNK = 130
ALONE = 450
TAG = "castoff.event"
ID_BYTES = 16


def rows(bursts: list[Burst], command: str) -> list[Row]:
    """Measure lines as they were written, and a batch of starts and of stops under gzip."""
    found: list[Row] = []
    for kind in ("start", "stop"):
        raw = [line.raw for burst in bursts for line in burst.of(kind)]
        found.append(_row(f"bytes of a {kind} event", raw, command))
    raw = [
        line.raw
        for burst in bursts
        for line in burst.lines
        if line.is_a("start") or line.is_a("stop")
    ]
    found.append(_row("bytes of an event, starts and stops as written", raw, command))
    starts = [line.raw for burst in bursts for line in burst.of("start")]
    return [*found, *wire_rows(starts, command)]


def wire_rows(lines: list[bytes], command: str) -> Iterator[Row]:
    """Measure starts as Forward sends them: in a full chunk, and each in a chunk of its own.

    Frame, tag and options are in it. A start alone is deflated or not, whichever is smaller.
    """
    if not lines:
        return
    records = tuple(_record(number, line) for number, line in enumerate(lines[:BATCH]))
    for detail, document in (("full", record.native), ("compact", record.compact)):
        deflated, plain = (Encoding(TAG, level, document) for level in (LEVEL, 0))
        together = len(encode(Batch(bytes(ID_BYTES), records), deflated).data) / len(records)
        alone = statistics.median(
            min(len(encode(Batch(bytes(ID_BYTES), (one,)), how).data) for how in (deflated, plain))
            for one in records
        )
        for what, measured, target in (
            (f"in a chunk of {len(records)}", together, IN_CHUNK),
            ("in a chunk of its own", alone, ALONE),
        ):
            yield Row(
                f"bytes of a start on the wire (Forward, detail = {detail}, gzip), {what}",
                f"{measured:.0f}",
                f"{target}",
                measured <= target,
                command,
                {"bytes": measured},
            )


def _record(sequence: int, line: bytes) -> Record:
    event = json.loads(line)
    return Record(sequence, event["id"], event["type"], wall(event["time"]), line)


def _row(what: str, raw: list[bytes], command: str) -> Row:
    batch = raw[:BATCH]
    packed = len(gzip.compress(b"".join(batch))) / max(1, len(batch))
    median = statistics.median(map(len, raw)) if raw else 0.0
    return Row(
        what,
        f"{median:.0f} as a JSON line, {packed:.0f} in a gzip of {len(batch)}",
        None,
        None,
        command,
        {"json": median, "gzip": packed, "batch": len(batch)},
    )

"""How large events are on the wire."""

from __future__ import annotations

import gzip
import statistics
from typing import TYPE_CHECKING

from bench.rows import Row

if TYPE_CHECKING:
    from bench.burst import Burst

BATCH = 500


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
    return found


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

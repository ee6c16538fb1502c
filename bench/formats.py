"""``python -m bench.formats``: what it costs to make a line of an event, in each format.

The starts are those of ``bench.wire``. Time is that of the processor, the best of some rounds.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from bench.machine import machine
from bench.rows import Row, table
from bench.wire import starts
from sensor.outputs import registry
from sensor.outputs.http import otlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.delivery import Record

COMMAND = "python -m bench.formats"
STARTS = 500
ROUNDS = 7


def _lines(line: Callable[[Record], bytes], records: list[Record]) -> list[bytes]:
    return [line(record) for record in records]


def rows() -> list[Row]:
    """Measure every format, and a batch of OTLP with its compression."""
    records = starts(STARTS)
    found = []
    for name in registry.FORMATS:
        line = registry.format_of(name).line
        size = sum(len(line(record)) for record in records) / STARTS
        cost = best(partial(_lines, line, records))
        found.append(row(f"{name}: a start as a line", cost, size))
    packed = asyncio.run(otlp.encoded(records, packed=True))[0]
    cost = best(lambda: asyncio.run(otlp.encoded(records, packed=True)))
    found.append(row(f"otlp: a start in a batch of {STARTS}, gzip", cost, len(packed) / STARTS))
    return found


def row(what: str, cost: float, size: float) -> Row:
    """Return a line of the table."""
    values = {"us": cost, "bytes": size}
    return Row(what, f"{cost:.0f} us, {size:,.0f} bytes", None, None, COMMAND, values)


def best(work: Callable[[], object]) -> float:
    """Return the microseconds of processor time for one start."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken) / STARTS * 1e6


if __name__ == "__main__":
    print(f"{machine()}\n\n{table(rows())}")

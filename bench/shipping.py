"""``python -m bench.shipping``: what delivery costs, on a log of 100,000 events.

Starts and stops as in ``bench.store``, in a log that was written with ``synchronous=FULL``. The
engine's own cost is that of a transport that takes every batch at once; the file's that of one that
syncs each. ``--directory`` wants a disk, not a tmpfs.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import machine
from bench.progress import say
from bench.rows import Row, table
from bench.store import blocks, fill
from sensor.outputs.delivery import BatchLimits, ConnectionStatus, Delivered
from sensor.outputs.engine.engine import Output, OutputEngine
from sensor.outputs.file.jsonl import JsonlFile, JsonlSettings
from sensor.outputs.formats.native import FORMAT
from sensor.outputs.settings import OutputSettings, StartAt
from sensor.schema.filters import Filters, parse
from sensor.store.callbacks import Callbacks
from sensor.store.log import Store, StoreSettings
from sensor.store.pages import Pages

if TYPE_CHECKING:
    from sensor.outputs.delivery import Batch, Outcome, Transport

COMMAND = "python -m bench.shipping"
EVENTS = 100_000
PAGES = (500, 1000)
SECONDS = 120.0
MIB = 1 << 20


class Sink:
    """Takes every batch at once."""

    window = 4
    connection = ConnectionStatus("nowhere", connected=True)

    def __init__(self, records: int = 500) -> None:
        self.limits = BatchLimits(records=records)

    async def deliver(self, _batch: Batch) -> Outcome:
        """Say that it was taken."""
        await asyncio.sleep(0)
        return Delivered()

    async def close(self) -> None:
        """Do nothing."""


def settings(name: str, filters: Filters | None = None) -> OutputSettings:
    """Return an output's settings."""
    return OutputSettings(name, "jsonl", None, "native", filters or Filters(), StartAt.OLDEST)


def main() -> None:
    """Make the log, measure, print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench.shipping")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--events", type=int, default=EVENTS)
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="castoff-bench-", dir=arguments.directory))
    rows: list[Row] = []
    try:
        measure(directory, arguments.events, rows)
    finally:
        shutil.rmtree(directory)
        print(f"{machine()}\n\n{table(rows)}")


def measure(directory: Path, events: int, rows: list[Row]) -> None:
    """Append what was measured."""
    say(f"a log of {events} events")
    store = Store(directory, StoreSettings(), Callbacks())
    fill(store, blocks(0, events))
    store.flush(SECONDS)
    size = (directory / "castoff.db").stat().st_size
    rows.append(fact("log on disk", f"{size / MIB:.0f} MiB, {size / events:.0f} bytes an event"))
    for count in PAGES:
        pages(directory, count, events, rows)
    outputs: dict[str, tuple[Filters, Transport]] = {
        "engine, nothing sent": (Filters(), Sink()),
        "engine, filter by type": (parse([], ["start"]), Sink()),
        "engine, filter by field": (parse(["name=shop-7"]), Sink()),
        "jsonl, each batch synced": (
            Filters(),
            JsonlFile(JsonlSettings(directory / "events.jsonl"), FORMAT, "jsonl"),
        ),
    }
    for what, (filters, transport) in outputs.items():
        ship(store, what, Output(settings(what, filters), transport), events, rows)
    store.close()


def pages(directory: Path, count: int, events: int, rows: list[Row]) -> None:
    """Read the whole log in pages of ``count``."""
    reader = Pages(directory / "castoff.db")
    begun, cursor, read, worst = time.perf_counter(), 0, 0, 0.0
    while True:
        began = time.perf_counter()
        page = reader.after(cursor, count)
        worst = max(worst, time.perf_counter() - began)
        if not page.rows:
            break
        cursor, read = page.through, read + len(page.rows)
    rate = read / (time.perf_counter() - begun)
    reader.close()
    if read != events:
        message = f"{read} of {events} events were read"
        raise SystemExit(message)
    rate_text = f"{rate:,.0f} events/s, a page {worst * 1000:.1f} ms at most"
    rows.append(fact(f"read in pages of {count}", rate_text))


def ship(store: Store, what: str, output: Output, events: int, rows: list[Row]) -> None:
    """Run an engine over the whole log."""
    say(what)
    engine = OutputEngine(store, [output])
    memory, used, begun = pss_kib(), cpu(), time.perf_counter()
    peak = memory
    engine.start()
    while engine.health()[0].lag_events:
        if time.perf_counter() - begun > SECONDS:
            raise SystemExit(f"{what}: does not end")
        time.sleep(0.02)
        peak = max(peak, pss_kib())
    taken, spent = time.perf_counter() - begun, cpu() - used
    counts = engine.health()[0].counts
    engine.close(5.0)
    rows.append(
        fact(
            what,
            f"{events / taken:,.0f} events/s, {spent / events * 1e6:.1f} µs of CPU an event,"
            f" {counts.delivered} in {counts.batches} batches, {(peak - memory) / 1024:+.1f} MiB",
        )
    )


def pss_kib() -> int:
    """Return this process's proportional memory."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def cpu() -> float:
    """Return the CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def fact(what: str, measured: str) -> Row:
    """Return a row without a target."""
    return Row(what, measured, None, None, COMMAND)


if __name__ == "__main__":
    main()

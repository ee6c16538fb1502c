"""``python -m bench.report``: what a report, an export and a verification of a log take.

Takes about five minutes and 1 GB below ``--directory``. The events are a made-up week of three
hosts (``tests/report/week.py``), in one log.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.command import parser, reporting
from bench.progress import say
from bench.rows import Row
from bench.store import fill
from lab.agent import COMMAND as CASTOFF
from sensor.report.moments import wall_of
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from tests.report.week import BEGIN, Event, Week

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "python -m bench.report"
BLOCK = 500
MIB = 1 << 20
TARGETS = {10_000: (3.0, 4.0), 100_000: (20.0, 16.0)}
"""Starts to seconds and MiB of the page."""


def entry(event: Event) -> NewEntry:
    """Return an event as the log takes it."""
    wall = wall_of(event["time"]) or BEGIN
    container = event["container"]
    return NewEntry(
        id=event["id"],
        type=event["type"],
        time=wall - BEGIN,
        wall=wall,
        boot_id=event["host"]["boot_id"],
        container_id=None if container is None else container["id"],
        name=None if container is None else container["name"],
        body=json.dumps(event, separators=(",", ":")).encode() + b"\n",
    )


def blocks(starts: int) -> Iterator[list[NewEntry]]:
    """Yield a week's events by the block, in the order of their times."""
    made = sorted((entry(one) for one in Week(starts).events()), key=lambda one: one.time)
    for first in range(0, len(made), BLOCK):
        yield made[first : first + BLOCK]


def make(state: Path, starts: int) -> None:
    """Make a log."""
    store = Store(state, StoreSettings(sync="normal", max_bytes=8 << 30))
    fill(store, blocks(starts))
    store.close()


class Run(NamedTuple):
    """What a run of the command line took: seconds, seconds of processor, MiB at its peak."""

    seconds: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, {self.cpu:.1f} s of processor, {self.memory:.0f} MiB of memory"
        )


def run(*arguments: str | Path) -> Run:
    """Run the command line. Its peak is at least that of this process, which so stays small."""
    began = time.monotonic()
    process = subprocess.Popen([str(CASTOFF), *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"castoff {arguments[0]} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.monotonic() - began, cpu, usage.ru_maxrss / 1024)


def measure(directory: Path, starts: int) -> Iterator[Row]:
    """Measure one size."""
    say(f"a log of {starts} starts")
    state = directory / str(starts)
    making = [sys.executable, "-m", "bench.report", "--make", str(state), "--starts", str(starts)]
    subprocess.run(making, check=True)
    page, data = directory / "report.html", directory / "starts.ndjson"
    took = run("report", "--log", state, "-o", page, "--data", data)
    size = page.stat().st_size / MIB
    most, largest = TARGETS[starts]
    yield Row(
        f"castoff report of {starts:,} starts, chain verified, with --data",
        f"{took}, page of {size:.2f} MiB",
        f"{most:.0f} s, {largest:.0f} MiB",
        took.seconds <= most and size <= largest,
        COMMAND,
        {**took._asdict(), "mib": size},
    )
    for packed in ((), ("--zstd",)):
        out = directory / f"export-{starts}-{len(packed)}"
        took = run("export", "--log", state, "-o", out, *packed)
        checked = run("verify", "--log", state, "--against", out)
        total = sum(one.stat().st_size for one in out.iterdir()) / MIB
        yield Row(
            f"castoff export of {starts:,} starts{', zstd' if packed else ''}; verify --against it",
            f"{took}, {total:.1f} MiB on disk; {checked}",
            None,
            None,
            COMMAND,
            {"export_seconds": took.seconds, "verify_seconds": checked.seconds, "mib": total},
        )


def main() -> None:
    """Measure and print one table; ends with 1 when a target is missed."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where to work")
    options.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--starts", type=int, default=0, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.make is not None:
        make(arguments.make, arguments.starts)
        return
    with (
        reporting(arguments.json) as rows,
        tempfile.TemporaryDirectory(prefix="castoff-bench-", dir=arguments.directory) as base,
    ):
        for starts in TARGETS:
            rows.extend(measure(Path(base), starts))


if __name__ == "__main__":
    main()

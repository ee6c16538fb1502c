"""``python -m bench.store``: what the event log takes and gives, on a log of a million events.

Takes about three minutes and 700 MB below ``--directory``; wants a disk, not a tmpfs, for the
numbers of ``synchronous=FULL``. The events are starts and stops as the native encoder makes them.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.command import parser, reporting
from bench.progress import say
from bench.rows import Row
from sensor.evidence.check import verify
from sensor.model.container import Image
from sensor.model.events import Container, Stop
from sensor.model.vocabulary import ContainerId, EventType
from sensor.schema.document import encode_line
from sensor.store.chain import digest_of, genesis
from sensor.store.entry import NewEntry
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import LogReader, Query
from tests.outputs.sample_events import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.events import Event

COMMAND = "python -m bench.store"
EVENTS = 1_000_000
BURST = 5_000
SAMPLES = 4_000
BLOCK = 500
QUERY_MS = 50.0
DRAIN_SECONDS = 2.0
DIGEST_US = 10.0
VERIFY_SECONDS = 20.0
"""For a million events."""
PSS_MIB = 45.0
REPETITIONS = 7
ROWS = 100
NAMES = 300
SECOND = 1_000_000_000
MIB = 1 << 20
ROOM = 12 << 20


def event(number: int) -> Event:
    """Return the start or, for odd numbers, the stop of a made-up container."""
    dice = random.Random(number // 2)
    id_ = ContainerId(f"{dice.getrandbits(256):064x}")
    image = dice.randrange(30)
    start = START.container or Container(id_)
    container = dataclasses.replace(
        start,
        id=id_,
        name=f"shop-{dice.randrange(NAMES)}",
        pid=dice.randrange(1 << 22),
        cgroup=f"/docker/{id_}",
        image=Image(f"registry/app-{image}:1.{image}", f"sha256:{image * 7919:064x}"),
        command=("app", f"--shard={dice.randrange(100)}"),
        parents=(),
    )
    moment = 3600 * SECOND + number * SECOND // 10 + dice.randrange(SECOND // 100)
    return dataclasses.replace(
        START,
        type=EventType.STOP if number % 2 else EventType.START,
        id=f"{dice.getrandbits(127) * 2 + number % 2:032x}",
        time=moment,
        observed=moment + 400_000,
        container=container,
        start=None if number % 2 else START.start,
        stop=Stop(exit_code=0, duration_seconds=0.1) if number % 2 else None,
        initiator=None if number % 2 else START.initiator,
    )


def entry(number: int, body: bytes | None = None) -> NewEntry:
    """Return an event as the log takes it; ``body`` instead of encoding it anew."""
    made = event(number)
    container = made.container or Container(ContainerId(""))
    return NewEntry(
        id=made.id,
        type=made.type,
        time=made.time,
        wall=made.time + made.realtime_offset,
        boot_id="" if made.host is None else made.host.boot_id,
        container_id=container.id,
        name=container.name,
        body=encode_line(made) if body is None else body,
    )


def blocks(first: int, count: int, bodies: list[bytes] | None = None) -> Iterator[list[NewEntry]]:
    """Yield entries by the block; with ``bodies`` these stand in for their own."""
    for start in range(first, first + count, BLOCK):
        yield [
            entry(number, bodies[number % len(bodies)] if bodies else None)
            for number in range(start, min(start + BLOCK, first + count))
        ]


def fill(store: Store, entries: Iterator[list[NewEntry]]) -> None:
    """Append all, waiting where the queue has no room."""
    for block in entries:
        while store.health().waiting_bytes > ROOM:
            store.flush(0.05)
        store.append(block)
    if not store.flush(60.0) or store.health().lost:
        sys.exit("events were lost")


def throughput(directory: Path, sync: str) -> Row:
    """Measure entries a second from the first append until all are durable, on an empty log."""
    made = list(blocks(0, 5 * BURST))
    store = Store(directory / sync, StoreSettings(sync=sync))
    began = time.monotonic()
    fill(store, iter(made))
    speed = sum(map(len, made)) / (time.monotonic() - began)
    store.close()
    return Row(
        f"events appended a second, store.sync = {sync}",
        f"{speed:,.0f}",
        None,
        None,
        COMMAND,
        {"events_per_second": speed},
    )


def large(directory: Path, count: int) -> tuple[Store, list[Row]]:
    """Make the large log; returns what an entry takes on disk."""
    store = Store(directory / "large", StoreSettings(sync="normal", max_bytes=8 << 30))
    bodies = [encode_line(event(number)) for number in range(SAMPLES)]
    fill(store, blocks(0, count, bodies))
    store.close()
    size = store.path.stat().st_size / count
    line = statistics.fmean(map(len, bodies))
    store = Store(directory / "large", StoreSettings(max_bytes=8 << 30))
    row = Row(
        f"bytes on disk of one of {count} events, indices included",
        f"{size:.0f}, of a line of {line:.0f}",
        None,
        None,
        COMMAND,
        {"bytes": size, "line": line},
    )
    return store, [row]


def chain(directory: Path, count: int) -> Iterator[Row]:
    """Measure what a digest costs an event, and the walk over a log of true events."""
    bodies = [encode_line(event(number)) for number in range(SAMPLES)]
    digest = genesis("log")
    began = time.perf_counter()
    for number in range(10 * SAMPLES):
        digest = digest_of(digest, number, bodies[number % SAMPLES])
    each = (time.perf_counter() - began) / (10 * SAMPLES) * 1e6
    yield Row(
        "digest of an event",
        f"{each:.1f} us",
        f"{DIGEST_US:.0f} us",
        each <= DIGEST_US,
        COMMAND,
        {"microseconds": each},
    )
    store = Store(directory / "chain", StoreSettings(sync="normal", max_bytes=8 << 30))
    fill(store, blocks(0, count))
    store.close()
    began, worked = time.monotonic(), time.process_time()
    verdict = verify(store.path, None, ())
    seconds, cpu = time.monotonic() - began, time.process_time() - worked
    whole = verdict.is_sound and verdict.log is not None and verdict.log.events == count
    yield Row(
        f"castoff verify of {count} events",
        f"{seconds:.1f} s, {cpu:.1f} s of processor",
        f"{VERIFY_SECONDS:.0f} s",
        whole and seconds <= VERIFY_SECONDS * count / EVENTS,
        COMMAND,
        {"seconds": seconds, "cpu_seconds": cpu},
    )


def drain(store: Store, count: int) -> Row:
    """Append a backlog to the large log and wait until it is durable."""
    backlog = list(blocks(count, BURST))
    began = time.monotonic()
    for block in backlog:
        store.append(block)
    store.flush(60.0)
    seconds = time.monotonic() - began
    return Row(
        f"backlog of {BURST} events made durable in the large log (full)",
        f"{seconds:.2f} s",
        f"{DRAIN_SECONDS:.0f} s",
        seconds <= DRAIN_SECONDS,
        COMMAND,
        {"seconds": seconds},
    )


def queries(path: Path, count: int) -> Iterator[Row]:
    """Ask for 100 rows by every index; the median of a few, each from a new connection."""
    middle = entry(count // 2, b"")
    name = middle.name
    starts = frozenset({EventType.START})
    asked = {
        "newest": Query(newest_first=True),
        "since, in the middle": Query(since=middle.wall),
        "since and until": Query(since=middle.wall, until=middle.wall + 600 * SECOND),
        "until, newest first": Query(until=middle.wall, newest_first=True),
        "type, newest first": Query(types=frozenset({EventType.STOP}), newest_first=True),
        "type that is rare": Query(types=frozenset({EventType.ALERT})),
        "container": Query(container=middle.container_id),
        "container by 12 digits": Query(container=(middle.container_id or "")[:12]),
        "name, newest first": Query(container=name, newest_first=True),
        "name, type and since": Query(container=name, types=starts, since=middle.wall),
    }
    reader = LogReader(path)
    for what, query in asked.items():
        took, rows = [], 0
        for _ in range(REPETITIONS):
            began = time.perf_counter()
            page = reader.read(dataclasses.replace(query, rows=ROWS))
            took.append((time.perf_counter() - began) * 1000)
            rows = len(page.entries)
        median, worst = statistics.median(took), max(took)
        yield Row(
            f"query by {what}: {rows} rows of {count}",
            f"{median:.1f} ms, {worst:.1f} at worst",
            f"{QUERY_MS:.0f} ms",
            median <= QUERY_MS,
            COMMAND,
            {"median_ms": median, "worst_ms": worst},
        )


def whole_check(path: Path) -> Row:
    """Measure what the store does not do at start."""
    connection = sqlite3.connect(path)
    began = time.monotonic()
    connection.execute("PRAGMA quick_check(1)").fetchall()
    seconds = time.monotonic() - began
    connection.close()
    return Row(
        "quick_check of the whole large log, for comparison",
        f"{seconds:.1f} s",
        None,
        None,
        COMMAND,
        {"seconds": seconds},
    )


def memory(directory: Path) -> Iterator[Row]:
    """Measure a process of its own: what opening takes, appending, and a few queries."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.store", "--child", str(directory / "large")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    bare, pss, opening = (float(word) for word in done.stdout.split())
    yield Row(
        "memory (PSS) of a process with the large log, after appends and queries",
        f"{pss:.1f} MiB, {pss - bare:.1f} more than before it was opened",
        f"{PSS_MIB:.0f} MiB for all of the agent",
        pss <= PSS_MIB,
        COMMAND,
        {"pss_mib": pss, "more_mib": pss - bare},
    )
    yield Row(
        "opening the large log",
        f"{opening * 1000:.0f} ms",
        None,
        None,
        COMMAND,
        {"seconds": opening},
    )


def child(directory: Path) -> None:
    """Print the PSS before and after, in MiB, and the seconds that opening took."""
    backlog = [list(block) for block in blocks(1 << 40, BLOCK)]
    bare = _pss()
    began = time.monotonic()
    store = Store(directory, StoreSettings(max_bytes=8 << 30))
    opening = time.monotonic() - began
    for block in backlog:
        store.append(block)
    store.flush(10.0)
    reader = LogReader(store.path)
    for _ in range(REPETITIONS):
        reader.read(Query(newest_first=True, types=frozenset({EventType.STOP})))
        reader.read(Query(container="shop-1"))
    print(bare, _pss(), opening)
    store.close()


def _pss() -> float:
    rollup = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


def main() -> None:
    """Measure and print one table; ends with 1 when a target is missed."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--events", type=int, default=EVENTS, help="size of the large log")
    options.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="for the log")
    options.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.child is not None:
        child(arguments.child)
        return
    with (
        reporting(arguments.json) as rows,
        tempfile.TemporaryDirectory(prefix="castoff-bench-", dir=arguments.directory) as base,
    ):
        directory = Path(base)
        say("appending to an empty log")
        rows.extend([throughput(directory, sync) for sync in ("full", "normal")])
        say(f"making a log of {arguments.events} events")
        store, found = large(directory, arguments.events)
        rows.extend(
            [*found, drain(store, arguments.events), *queries(store.path, arguments.events)]
        )
        store.close()
        rows.extend([*memory(directory), whole_check(store.path)])
        say(f"verifying a log of {arguments.events} events")
        rows.extend(chain(directory, arguments.events))


if __name__ == "__main__":
    main()

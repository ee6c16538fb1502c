"""``python -m bench.delivery``: what is shipped, how fast, and what a dead collector costs.

Takes about five minutes; wants npm's packages of ``make setup-test`` and a disk, not a tmpfs, below
``--directory``. The events are the starts of the golden captures, each with ids of its own.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.command import parser, reporting
from bench.progress import say
from bench.rows import Row
from sensor.outputs.forward.output import ForwardCompression
from sensor.store.callbacks import Callbacks
from tests.outputs import endurance
from tests.outputs.fault_proxy import Misbehaviour
from tests.outputs.forward.collector import collector
from tests.outputs.shipper import BLOCK, Shipper, Starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = "python -m bench.delivery"
PARTS = ("set", "throughput", "down")
EVENTS = 100_000
KILLS = 10
SPEED = 20_000
DAY = 17_280
"""Events of a day on a node: 30 containers that live five minutes, a start and a stop each."""
SETTLED = 10_000
"""Events after which the store's caches are full."""
GROWTH_MIB = 2.0
IDLE_SECONDS = 30.0
IDLE_SHARE = 0.01
PATIENCE = 120.0
MIB = 1 << 20

CONFIG = """
[outputs.collector]
type = "forward"
servers = ["127.0.0.1:{port}"]
detail = "{detail}"
compression = "{compression}"
level = {level}
"""


def main() -> None:
    """Measure the parts that are asked for and print one table."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--events", type=int, default=EVENTS)
    options.add_argument("--only", choices=PARTS, action="append", help="this part only")
    options.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where logs lie")
    arguments = options.parse_args()
    with (
        reporting(arguments.json) as rows,
        tempfile.TemporaryDirectory(prefix="castoff-bench-", dir=arguments.directory) as base,
    ):
        for part in arguments.only or PARTS:
            directory = Path(base) / part
            directory.mkdir()
            rows.extend(_PARTS[part](directory, arguments.events))


# --------------------------------------------------------------------------------- end to end


def whole_set(directory: Path, events: int) -> Iterator[Row]:
    """Compare log and collector after kills of both and with a proxy that misbehaves."""
    say(f"{events} events, {KILLS} kills of the agent and {KILLS} of the collector")
    how = Misbehaviour(seed=11, share=0.1, tear=0.002)
    outcome = endurance.run(directory, endurance.Plan(events, KILLS, how), say)
    yield Row(
        f"events lost of {outcome.committed} in the log: {KILLS} kills of the agent, {KILLS} of the"
        f" collector, {outcome.faults.total()} faults of the network",
        f"{outcome.lost} lost, {outcome.repeated} came again under the same id,"
        f" {outcome.seconds:.0f} s",
        "0 lost",
        outcome.lost == 0 and outcome.foreign == 0 and outcome.committed == events,
        f"{COMMAND} --only set",
        {
            "lost": outcome.lost,
            "repeated": outcome.repeated,
            "faults": outcome.faults.total(),
            "seconds": outcome.seconds,
        },
    )


# --------------------------------------------------------------------------------- throughput


@contextmanager
def _sink() -> Iterator[int]:
    command = [sys.executable, "-m", "bench.sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def throughput(directory: Path, events: int) -> Iterator[Row]:
    """Ship a log, and while it is written; to a server that only acks and to one that reads."""
    only = "a server that only acks"
    with _sink() as port:
        yield _speed(_Run(directory / "full", events, port, only), target=SPEED)
        yield _speed(_Run(directory / "compact", events, port, only, detail="compact"))
        yield _speed(_Run(directory / "live", events, port, only, live=True))
    with collector(directory, print="ids") as server:
        yield _speed(_Run(directory / "npm", events, server.port, "npm's FluentServer"))


@dataclass(frozen=True, slots=True)
class _Run:
    directory: Path
    events: int
    port: int
    server: str
    detail: str = "full"
    live: bool = False
    """Whether the events are appended meanwhile, and not before."""


def _speed(run: _Run, target: int | None = None) -> Row:
    how = "while they are appended" if run.live else "from the log"
    what = f"{how}, acknowledged by {run.server}, detail = {run.detail}"
    say(f"{run.events} events {what}")
    run.directory.mkdir()
    _configure(run.directory, run.port, run.detail)
    starts = Starts()
    blocks = [
        [starts.entry(number) for number in range(first, min(first + BLOCK, run.events + 1))]
        for first in range(1, run.events + 1, BLOCK)
    ]
    shipper = Shipper(run.directory, Callbacks())
    try:
        if not run.live:
            for block in blocks:
                shipper.append(block)
            shipper.store.flush(PATIENCE)
        process = psutil.Process()
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        shipper.engine.start()
        if run.live:
            for block in blocks:
                shipper.append(block)
        _until(lambda: _done(shipper, run.events), f"{run.events} events are acknowledged")
        seconds = time.monotonic() - began
        used = (sum(process.cpu_times()[:2]) - cpu) / run.events * 1e6
    finally:
        shipper.close()
    speed = run.events / seconds
    return Row(
        f"events a second (store.sync = full) {what}",
        f"{speed:,.0f}, {used:.0f} µs of processor each",
        None if target is None else f"{target:,}",
        None if target is None else speed >= target,
        f"{COMMAND} --only throughput",
        {"events_per_second": speed, "cpu_us": used},
    )


def _done(shipper: Shipper, events: int) -> bool:
    (health,) = shipper.engine.health()
    return health.counts.delivered >= events and health.lag_events == 0


# ------------------------------------------------------------------------- a collector that is down


def down(directory: Path, _events: int) -> Iterator[Row]:
    """Append a day of events while no receiver listens; then look at a process that only waits."""
    say(f"{DAY} events while the collector is down")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    _configure(directory, port, "full")
    agent = endurance.Agent(directory, SETTLED + DAY)
    agent.start()
    try:
        _until(lambda: agent.durable >= SETTLED, "the first events are durable")
        before = _pss(agent.pid)
        _until(lambda: agent.durable >= SETTLED + DAY, "a day of events is durable")
        after = _pss(agent.pid)
        process = psutil.Process(agent.pid)
        cpu = sum(process.cpu_times()[:2])
        time.sleep(IDLE_SECONDS)
        share = (sum(process.cpu_times()[:2]) - cpu) / IDLE_SECONDS
        later = _pss(agent.pid)
    finally:
        agent.end(kill=True)
    growth = max(after, later) - before
    yield Row(
        f"memory (PSS) of the shipping process after {DAY} more events, the collector always down",
        f"{later:.1f} MiB, {growth:+.1f} since the first {SETTLED}",
        f"+{GROWTH_MIB:.0f} MiB",
        growth <= GROWTH_MIB,
        f"{COMMAND} --only down",
        {"before_mib": before, "after_mib": later},
    )
    yield Row(
        "processor of the shipping process while a collector is down and nothing happens",
        f"{share:.2%} of one",
        f"{IDLE_SHARE:.0%}",
        share <= IDLE_SHARE,
        f"{COMMAND} --only down",
        {"share": share},
    )


def _pss(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 / MIB if found else float("nan")


# ------------------------------------------------------------------------------------- together


def _configure(directory: Path, port: int, detail: str) -> None:
    text = CONFIG.format(port=port, detail=detail, compression=ForwardCompression.GZIP, level=6)
    (directory / "castoff.toml").write_text(text, encoding="utf-8")


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.01)


_PARTS: dict[str, Callable[[Path, int], Iterator[Row]]] = {
    "set": whole_set,
    "throughput": throughput,
    "down": down,
}

if __name__ == "__main__":
    main()

"""A long run with all that goes wrong in it: ``python -m bench.soak --minutes 60``.

10,000 containers run through docker, spread evenly over the time, at most 8 of them at once.
Meanwhile

- an agent of another version, with other probes, is upgraded to this one;
- the agent is killed twice;
- the collector that events are shipped to is dead for the first half, and there for the second.

Then the log and what the collector has are asked for every container. Memory is flat when the last
quarter's largest PSS is at most ``GROWTH_MIB`` above the second quarter's.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from bench.agent import CHECKOUT, Agent
from bench.burst import PARALLEL
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import pss_mib
from bench.kills import log_of, started
from bench.node import held, own_lab
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab import waiting
from lab.engines import unique
from lab.image import IMAGE
from sensor.bpf import loader
from sensor.errors import CastoffError
from tests.outputs.forward.collector import collector

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab
    from tests.outputs.forward.collector import Collector

COMMAND = "python -m bench.soak"
MINUTES = 60.0
STARTS_A_MINUTE = 10_000 / 60
GROWTH_MIB = 2.0
SAMPLE_SECONDS = 10.0
SHIPPED_SECONDS = 120.0
"""Seconds that the collector may take for what waited for it."""
UPGRADE, KILL, COLLECTOR, KILL_AGAIN = 0.15, 0.35, 0.5, 0.75
"""Shares of the time at which these happen."""

CONFIG = """
[outputs.collector]
type = "forward"
servers = ["127.0.0.1:{port}"]
"""


@dataclass(slots=True)
class Soak:
    """What ran, and what the agent took meanwhile."""

    ran: list[str] = field(default_factory=list)
    failed: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Share of the time, and PSS in MiB."""

    def quarter(self, number: int) -> float:
        """Return the largest PSS in a quarter of the time; nan without a sample."""
        found = [mib for at, mib in self.memory if number - 1 <= 4 * at < number]
        return max(found, default=float("nan"))


def other_version(lab: Lab) -> Path:
    """Return the command of a checkout whose probes have another fingerprint."""
    tree = lab.sub("earlier")
    for name in ("sensor", "probes", "bin", "rules"):
        shutil.copytree(CHECKOUT / name, tree / name)
    (tree / ".venv").symlink_to(CHECKOUT / ".venv")
    with (tree / "probes" / "record.h").open("a", encoding="utf-8") as file:
        file.write("/* another version */\n")
    return tree / "bin" / "castoff"


class Load:
    """Runs containers until :meth:`end`, evenly spread, some at a time."""

    def __init__(self, running: Engines, soak: Soak, starts_a_minute: float) -> None:
        self._docker = running.docker
        self._seconds_apart = 60 / starts_a_minute
        self._soak = soak
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Start no more, and return when the last ones are over."""
        self._end.set()
        self._thread.join()

    def _work(self) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            under_way: set[Future[None]] = set()
            due = time.monotonic()
            while not self._end.wait(max(0.0, due - time.monotonic())):
                under_way.add(pool.submit(self._run, unique("soak")))
                due += self._seconds_apart
                if len(under_way) >= PARALLEL:
                    _, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way = {run for run in under_way if not run.done()}

    def _run(self, name: str) -> None:
        identity, code = self._docker.run_to_end("--rm", "--name", name, IMAGE, "true")
        if code == 0:
            self._soak.ran.append(identity)
        else:
            self._soak.failed += 1


def run(lab: Lab, running: Engines, minutes: float, starts_a_minute: float) -> list[Row]:
    """Run for so long and hold log, collector and memory against each other."""
    stamp = compiled("stamp", lab.sub("programs"))
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    agent = Agent(lab, stamp)
    config = lab.directory / "soak.toml"
    config.write_text(CONFIG.format(port=port), encoding="utf-8")
    agent.command += ["--config", config]
    current, agent.command[0] = agent.command[0], other_version(lab)
    soak, since, began = Soak(), time.time() - 1, time.monotonic()

    def until(share: float) -> None:
        """Go on to a share of the time; what memory is taken is looked at meanwhile."""
        while (at := (time.monotonic() - began) / (60 * minutes)) < share:
            with suppress(CastoffError, OSError):
                soak.memory.append((at, pss_mib(agent)))
            time.sleep(min(SAMPLE_SECONDS, max(0.1, 60 * minutes * (share - at))))
        say(f"{share:.0%} of the time, {len(soak.ran)} containers have run")

    with held():
        loader.unload()
    agent.__enter__()
    try:
        with Load(running, soak, starts_a_minute) as load:
            until(UPGRADE)
            agent.__exit__()
            agent.command[0] = current
            agent.__enter__()
            say("upgraded")
            until(KILL)
            agent.kill()
            agent.__enter__()
            until(COLLECTOR)
            with collector(lab.sub("collector"), port=port, print="ids") as server:
                until(KILL_AGAIN)
                agent.kill()
                agent.__enter__()
                until(1.0)
                load.end()
                agent.settle(running.runc)
                log = log_of(agent, since)
                unshipped = lacking(server, {event["id"] for event in log})
        return rows_of(soak, log, unshipped, minutes)
    finally:
        with suppress(ProcessLookupError):
            agent.__exit__()


def lacking(server: Collector, wanted: set[str]) -> set[str]:
    """Return which of these events a collector still lacks when it has had its time."""
    shipped: set[str] = set()

    def is_shipped() -> bool:
        shipped.update(id_ for chunk in server.new() for id_ in chunk["ids"])
        return wanted <= shipped

    with suppress(AssertionError):
        waiting.until(is_shipped, "the collector has the log", SHIPPED_SECONDS)
    return wanted - shipped


def rows_of(
    soak: Soak, log: list[dict[str, Any]], unshipped: set[str], minutes: float
) -> list[Row]:
    """Hold what ran against the log, and the memory of the second quarter against the last one."""
    logged = started(log)
    absent = sum(identity not in logged for identity in soak.ran)
    twice = sum(logged[identity] > 1 for identity in soak.ran)
    gaps = sum(event["gap"] is not None for event in log)
    early, late = soak.quarter(2), soak.quarter(4)
    return [
        Row(
            f"{len(soak.ran)} docker run in {minutes:.0f} minutes with an upgrade, two kills and a"
            " dead collector: in the log",
            f"{absent} missing, {twice} twice, {gaps} gaps",
            "0, 0",
            not absent and not twice,
            COMMAND,
            {"starts": len(soak.ran), "missing": absent, "twice": twice, "gaps": gaps},
        ),
        Row(
            "the same: starts and gaps of the log that the collector lacks in the end",
            f"{len(unshipped)}",
            "0",
            not unshipped,
            COMMAND,
            {"unshipped": len(unshipped)},
        ),
        Row(
            "the same: memory (PSS), largest of the second and of the last quarter",
            f"{early:.1f} and {late:.1f} MiB",
            f"+{GROWTH_MIB:.0f} MiB",
            late - early <= GROWTH_MIB,
            COMMAND,
            {"early_mib": early, "late_mib": late},
        ),
    ]


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--minutes", type=float, default=MINUTES, help="how long it runs")
    options.add_argument(
        "--starts-a-minute",
        type=float,
        default=STARTS_A_MINUTE,
        help="how many containers it runs a minute, as far as this machine can",
    )
    arguments = options.parse_args()
    with reporting(arguments.json) as rows, own_lab() as lab, engines(lab) as running:
        rows.extend(run(lab, running, arguments.minutes, arguments.starts_a_minute))


if __name__ == "__main__":
    main()

"""What one user's noise costs the others: ``python -m bench.attack``.

Programs called runc and docker execute themselves in a loop as one plain user, with command lines
that name containers: creations that never were, and ``docker start`` of a container of root's.
Meanwhile root starts containers. Measured: how root's starts are attributed, the agent's processor
time, what goes into its log, and how long ``/healthz`` takes. One process that asks always gets a
processor, another one waits for its turn as any command does. Ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.agent import Agent
from bench.command import parser, reporting
from bench.engine import engines
from bench.node import own_lab
from bench.noise import EACH, Noise, noise
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.engines import unique
from lab.image import IMAGE
from sensor.api.client import AgentClient
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.attack"
SECONDS = 20
STARTS = 36
ASK_SECONDS = 0.05
MIB = 1 << 20
MOST_CPU, MOST_LOG, MOST_ANSWER = 0.15, MIB, 0.2
NS = 1_000_000_000


@dataclass(slots=True)
class Answers:
    """How long the agent took to answer ``/healthz``, as a process that asks all the time saw."""

    process: subprocess.Popen[str]
    slowest: float = 0.0
    failed: int = 0

    def end(self) -> None:
        """Stop asking, and take over what was seen."""
        output, _ = self.process.communicate()
        self.slowest, self.failed = json.loads(output)


def asking(socket: Path, *, promptly: bool) -> Answers:
    """Begin to ask; ``promptly``: the asking process never waits for a processor."""
    words = ["--ask", str(socket), *(["--promptly"] if promptly else [])]
    return Answers(
        subprocess.Popen(
            [sys.executable, "-m", "bench.attack", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )


def ask(socket: Path, *, promptly: bool) -> None:
    """Ask until standard input ends; print the slowest answer and how many failed."""
    if promptly:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    slowest, failed = 0.0, 0
    while not select.select([sys.stdin], [], [], ASK_SECONDS)[0]:
        began = time.monotonic()
        try:
            AgentClient(socket).get("/healthz")
        except CastoffError:
            failed += 1
        slowest = max(slowest, time.monotonic() - began)
    print(json.dumps((slowest, failed)))


def log_bytes(agent: Agent) -> tuple[int, int]:
    """Return the size of the event log and of the files that hold it.

    The files have the write-ahead log, too: each page that was written, again and again, up to a
    limit of its own (16 MiB). Then it goes to the log, and its space is used anew.
    """
    place = f"file:{agent.state / 'castoff.db'}?mode=ro"
    with closing(sqlite3.connect(place, uri=True)) as log:
        pages, size = (
            log.execute(f"PRAGMA {n}").fetchone()[0] for n in ("page_count", "page_size")
        )
    return pages * size, sum(file.stat().st_size for file in agent.state.glob("castoff.db*"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured while the noise was made, and of root's starts in it."""

    noise: Noise
    reported: int
    exact: int
    """Starts with the right command, exactly."""
    share: float
    """Of a core, what the agent took."""
    others: int
    others_bytes: int
    """Events beside those of root's containers."""
    log_growth: int
    files_growth: int
    calm_growth: int
    """What its files grew by for as many starts of root's without the noise."""
    answers: tuple[Answers, Answers]
    """A process that always gets a processor, and one that waits for it."""


def measure(lab: Lab, running: Engines) -> Seen:
    """Make the noise, and start root's containers in it, after as many without it."""
    programs = lab.sub("programs")
    quiet, names = ([unique("calm") for _ in range(STARTS)] for _ in range(2))
    options = ("--network", "none", IMAGE, "true")

    def create(names: list[str]) -> set[str]:
        made = [running.docker.cli("create", "--name", name, *options) for name in names]
        return {one.stdout.strip() for one in made}

    before_it, created = create(quiet), create(names)
    lines = {"runc": ("create", unique("ghost")), "docker": ("start", names[0])}
    with Agent(lab, compiled("stamp", programs)) as agent:
        agent.settle(running.runc)
        calm = log_bytes(agent)
        for name in quiet:
            running.docker.cli("start", name)
        agent.wait_for(
            lambda: {line.container["id"] for line in agent.of("start")} >= before_it,
            "every start before the noise is reported",
        )
        agent.settle(running.runc)
        written, before = len(agent.lines), log_bytes(agent)
        cpu, began = agent.cpu_ns(), time.monotonic()
        answers = (asking(agent.socket, promptly=True), asking(agent.socket, promptly=False))
        with noise(programs, programs / "noise", lines, SECONDS) as made:
            say(f"{STARTS} starts in {SECONDS} s of noise")
            for name in names:
                running.docker.cli("start", name)
        for one in answers:
            one.end()
        share = (agent.cpu_ns() - cpu) / NS / (time.monotonic() - began)
        agent.wait_for(
            lambda: {line.container["id"] for line in agent.of("start")} >= created,
            "every start is reported",
        )
        agent.settle(running.runc)
        starts = [line.event for line in agent.of("start") if line.container["id"] in created]
        others = [
            line.event
            for line in agent.lines[written:]
            if (line.event["container"] or {}).get("id") not in created
        ]
        after = log_bytes(agent)
    return Seen(
        made,
        len(starts),
        sum(
            start["confidence"]["initiator"] == "exact" and start["initiator"]["user"]["uid"] == 0
            for start in starts
        ),
        share,
        len(others),
        sum(len(json.dumps(event)) for event in others),
        after[0] - before[0],
        after[1] - before[1],
        before[1] - calm[1],
        answers,
    )


def rows(seen: Seen) -> Iterator[Row]:
    """Hold all of it against the targets."""
    rate = seen.noise.rate
    yield Row(
        f"commands of one user, {EACH} programs called runc and {EACH} called docker",
        f"{rate:,.0f} a second for {seen.noise.seconds:.0f} s",
        None,
        None,
        COMMAND,
        {"execs_per_second": rate},
    )
    yield Row(
        "starts of root meanwhile: right command, exact",
        f"{seen.exact} of {STARTS}",
        f"{STARTS}",
        seen.exact == STARTS == seen.reported,
        COMMAND,
        {"exact": seen.exact, "reported": seen.reported},
    )
    yield Row(
        "agent's processor time",
        f"{seen.share:.1%} of a core",
        f"{MOST_CPU:.0%} at most",
        seen.share <= MOST_CPU,
        COMMAND,
        {"share": seen.share},
    )
    yield from growth(seen)
    prompt, ordinary = seen.answers
    yield Row(
        "slowest answer of /healthz, answers that failed",
        f"{prompt.slowest * 1000:.0f} ms, {prompt.failed}",
        f"{MOST_ANSWER * 1000:.0f} ms at most",
        prompt.slowest <= MOST_ANSWER,
        COMMAND,
        {"seconds": prompt.slowest, "failed": prompt.failed},
    )
    yield Row(
        "the same, asked by a process that waits for a processor beside the noise",
        f"{ordinary.slowest * 1000:.0f} ms, {ordinary.failed}",
        None,
        None,
        COMMAND,
        {"seconds": ordinary.slowest, "failed": ordinary.failed},
    )


def growth(seen: Seen) -> Iterator[Row]:
    """Report how much the noise made the log grow."""
    yield Row(
        "events beside those of root's containers, and their bytes before they are packed",
        f"{seen.others}, {seen.others_bytes / MIB:.3f} MiB",
        f"{MOST_LOG / MIB:.0f} MiB at most",
        seen.others_bytes <= MOST_LOG,
        COMMAND,
        {"bytes": seen.others_bytes, "events": seen.others},
    )
    yield Row(
        "growth of the log, all events of that time included",
        f"{seen.log_growth / MIB:.2f} MiB",
        f"{MOST_LOG / MIB:.0f} MiB at most",
        seen.log_growth <= MOST_LOG,
        COMMAND,
        {"bytes": seen.log_growth},
    )
    yield Row(
        "growth of its files, with the write-ahead log that is used anew after 16 MiB; the same for"
        " as many starts without noise",
        f"{seen.files_growth / MIB:.2f} MiB, {seen.calm_growth / MIB:.2f} MiB",
        f"{MOST_LOG / MIB:.0f} MiB more at most",
        seen.files_growth - seen.calm_growth <= MOST_LOG,
        COMMAND,
        {"bytes": seen.files_growth, "without_noise": seen.calm_growth},
    )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--promptly", action="store_true", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.ask is not None:
        ask(arguments.ask, promptly=arguments.promptly)
        return
    with reporting(arguments.json) as found, own_lab() as lab, engines(lab) as running:
        found.extend(rows(measure(lab, running)))


if __name__ == "__main__":
    main()

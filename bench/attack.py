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
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.agent import Agent
from bench.engine import engines
from bench.machine import machine
from bench.node import own_lab
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row, missed, table
from lab.engines import unique
from lab.image import IMAGE
from sensor.api.client import AgentClient
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.attack"
UID = 6001
SECONDS = 20
EACH = 4
"""Processes of each name: together they get most of the processors' time."""
STARTS = 36
ASK_SECONDS = 0.05
MIB = 1 << 20
MOST_CPU, MOST_LOG, MOST_ANSWER = 0.15, MIB, 0.2
NS = 1_000_000_000


@dataclass(slots=True)
class Noise:
    """What the user's programs did."""

    execs: int = 0
    seconds: float = 0.0
    running: list[subprocess.Popen[str]] = field(default_factory=list)


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


@contextmanager
def noise(directory: Path, victim: str) -> Iterator[Noise]:
    """Make noise for ``SECONDS``; leaves when both the body and the noise are over."""
    found = Noise()
    source = compiled("flood", directory)
    programs = directory / "noise"
    programs.mkdir(mode=0o755)
    began = time.monotonic()
    for name, words in {"runc": ("create", unique("ghost")), "docker": ("start", victim)}.items():
        program = programs / name
        program.write_bytes(source.read_bytes())
        program.chmod(0o755)
        found.running += [
            subprocess.Popen(
                [str(program), str(UID), str(SECONDS), *words], stdout=subprocess.PIPE, text=True
            )
            for _ in range(EACH)
        ]
    try:
        yield found
    finally:
        for process in found.running:
            output, _ = process.communicate()
            found.execs += int(output or 0)
        found.seconds = min(time.monotonic() - began, float(SECONDS))


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


def measure(lab: Lab, running: Engines) -> list[Row]:
    """Make the noise, start root's containers in it, and hold all of it against the targets."""
    programs = lab.sub("programs")
    names = [unique("calm") for _ in range(STARTS)]
    options = ("--network", "none", IMAGE, "true")
    created = {
        running.docker.cli("create", "--name", name, *options).stdout.strip(): name
        for name in names
    }
    with Agent(lab, compiled("stamp", programs)) as agent:
        agent.settle(running.runc)
        written, (stored, files) = len(agent.lines), log_bytes(agent)
        cpu, began = agent.cpu_ns(), time.monotonic()
        prompt, ordinary = (asking(agent.socket, promptly=first) for first in (True, False))
        with noise(programs, names[0]) as made:
            say(f"{STARTS} starts in {SECONDS} s of noise")
            for name in names:
                running.docker.cli("start", name)
        for answers in (prompt, ordinary):
            answers.end()
        share = (agent.cpu_ns() - cpu) / NS / (time.monotonic() - began)
        agent.wait_for(
            lambda: {line.container["id"] for line in agent.of("start")} >= set(created),
            "every start is reported",
        )
        agent.settle(running.runc)
        starts = [line.event for line in agent.of("start") if line.container["id"] in created]
        others = [
            line.event
            for line in agent.lines[written:]
            if (line.event["container"] or {}).get("id") not in created
        ]
        grown = sum(len(json.dumps(event)) for event in others)
        stored, files = (
            now - before for now, before in zip(log_bytes(agent), (stored, files), strict=True)
        )
    exact = sum(
        start["confidence"]["initiator"] == "exact" and start["initiator"]["user"]["uid"] == 0
        for start in starts
    )
    rate = made.execs / max(made.seconds, 1e-9)
    return [
        Row(
            f"commands of one user, {EACH} programs called runc and {EACH} called docker",
            f"{rate:,.0f} a second for {made.seconds:.0f} s",
            None,
            None,
            COMMAND,
            {"execs_per_second": rate},
        ),
        Row(
            "starts of root meanwhile: right command, exact",
            f"{exact} of {STARTS}",
            f"{STARTS}",
            exact == STARTS == len(starts),
            COMMAND,
            {"exact": exact, "reported": len(starts)},
        ),
        Row(
            "agent's processor time",
            f"{share:.1%} of a core",
            f"{MOST_CPU:.0%} at most",
            share <= MOST_CPU,
            COMMAND,
            {"share": share},
        ),
        Row(
            "events beside those of root's containers, and their bytes before they are packed",
            f"{len(others)}, {grown / MIB:.3f} MiB",
            f"{MOST_LOG / MIB:.0f} MiB at most",
            grown <= MOST_LOG,
            COMMAND,
            {"bytes": grown, "events": len(others)},
        ),
        Row(
            "growth of the log, all events of that time included",
            f"{stored / MIB:.2f} MiB",
            f"{MOST_LOG / MIB:.0f} MiB at most",
            stored <= MOST_LOG,
            COMMAND,
            {"bytes": stored},
        ),
        Row(
            "growth of its files, with the write-ahead log that is used anew after 16 MiB",
            f"{files / MIB:.2f} MiB",
            None,
            None,
            COMMAND,
            {"bytes": files},
        ),
        Row(
            "slowest answer of /healthz, answers that failed",
            f"{prompt.slowest * 1000:.0f} ms, {prompt.failed}",
            f"{MOST_ANSWER * 1000:.0f} ms at most",
            prompt.slowest <= MOST_ANSWER,
            COMMAND,
            {"seconds": prompt.slowest, "failed": prompt.failed},
        ),
        Row(
            "the same, asked by a process that waits for a processor beside the noise",
            f"{ordinary.slowest * 1000:.0f} ms, {ordinary.failed}",
            None,
            None,
            COMMAND,
            {"seconds": ordinary.slowest, "failed": ordinary.failed},
        ),
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.attack", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--promptly", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask is not None:
        ask(arguments.ask, promptly=arguments.promptly)
        return
    here = machine()
    with own_lab() as lab, engines(lab) as running:
        rows = measure(lab, running)
    print(here)
    print(f"\n{table(rows)}")
    sys.exit(1 if missed(rows) else 0)


if __name__ == "__main__":
    main()

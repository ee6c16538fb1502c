"""What one user's noise costs the others: ``python -m bench.attack``.

Programs called runc and docker execute themselves in a loop as one plain user, with command lines
that name containers: creations that never were, and ``docker start`` of a container of root's.
Meanwhile root starts containers. Measured: how root's starts are attributed, the agent's processor
time, what goes into its log, and how long ``/healthz`` takes. Ends with 1 when a target is missed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.attack"
UID = 6001
SECONDS = 20
EACH = 4
"""Processes of each name: together they get most of the processors' time."""
STARTS = 36
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
    """How long the agent took to answer ``/healthz``, over and over."""

    slowest: float = 0.0
    failed: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self, socket: Path) -> None:
        """Ask until :attr:`ended`; from a thread of its own."""
        while not self.ended.wait(0.05):
            began = time.monotonic()
            try:
                AgentClient(socket).get("/healthz")
            except CastoffError:
                self.failed += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


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


def log_bytes(agent: Agent) -> int:
    """Return the size of the event log on disk, the write-ahead log included."""
    return sum(file.stat().st_size for file in agent.state.glob("castoff.db*"))


def measure(lab: Lab, running: Engines) -> list[Row]:
    """Make the noise, start root's containers in it, and hold all of it against the targets."""
    programs = lab.sub("programs")
    names = [unique("calm") for _ in range(STARTS)]
    options = ("--network", "none", IMAGE, "true")
    created = {
        running.docker.cli("create", "--name", name, *options).stdout.strip(): name
        for name in names
    }
    answers = Answers()
    with Agent(lab, compiled("stamp", programs)) as agent:
        agent.settle(running.runc)
        asking = threading.Thread(target=answers.ask, args=(agent.socket,))
        written, stored = len(agent.lines), log_bytes(agent)
        cpu, began = agent.cpu_ns(), time.monotonic()
        asking.start()
        with noise(programs, names[0]) as made:
            say(f"{STARTS} starts in {SECONDS} s of noise")
            for name in names:
                running.docker.cli("start", name)
        answers.ended.set()
        asking.join()
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
        stored = log_bytes(agent) - stored
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
            "growth of castoff.db with its write-ahead log, all events of that time included",
            f"{stored / MIB:.2f} MiB",
            f"{MOST_LOG / MIB:.0f} MiB at most",
            stored <= MOST_LOG,
            COMMAND,
            {"bytes": stored},
        ),
        Row(
            "slowest answer of /healthz, answers that failed",
            f"{answers.slowest * 1000:.0f} ms, {answers.failed}",
            f"{MOST_ANSWER * 1000:.0f} ms at most",
            answers.slowest <= MOST_ANSWER,
            COMMAND,
            {"seconds": answers.slowest, "failed": answers.failed},
        ),
    ]


def main() -> None:
    """Run from the command line."""
    here = machine()
    with own_lab() as lab, engines(lab) as running:
        rows = measure(lab, running)
    print(here)
    print(f"\n{table(rows)}")
    sys.exit(1 if missed(rows) else 0)


if __name__ == "__main__":
    main()

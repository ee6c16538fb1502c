"""Programs called runc and docker that execute themselves in a loop, as fast as they can."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.image import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.agent import Agent

SECONDS = 5
UID = 6001
EACH = 4
"""Processes of each: as many as it takes to be given most of the processors' time."""
PROGRAMS = {"runc": ("list",), "docker": ("run", "--rm", IMAGE, "true")}
"""What each is called, and its command line: docker's fits any user who names nothing."""


@dataclass(slots=True)
class Flood:
    """What the flood did, and what the agent reports of it afterwards."""

    agent: Agent
    before: tuple[int, int]
    execs: int = 0
    seconds: float = 0.0
    dropped: int = 0
    limited: int = 0
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def count(self) -> None:
        """Take over what the agent has counted."""
        dropped, limited = losses(self.agent)
        self.dropped, self.limited = dropped - self.before[0], limited - self.before[1]

    def rows(self, command: str) -> list[Row]:
        """Report the flood and its counting."""
        rate = self.execs / max(self.seconds, 1e-9)
        return [
            Row(
                f"flood: execs of {EACH} programs called runc and {EACH} called docker",
                f"{self.execs} in {self.seconds:.1f} s, {rate:,.0f} a second",
                None,
                None,
                command,
                {"execs": self.execs, "execs_per_second": rate},
            ),
            Row(
                "flood: records held back and counted, records lost",
                f"{self.limited}, {self.dropped}",
                "more than 0, 0",
                self.limited > 0 and not self.dropped,
                command,
                {"limited": self.limited, "dropped": self.dropped},
            ),
        ]


def losses(agent: Agent) -> tuple[int, int]:
    """Return records lost and held back since the probes were loaded."""
    drops = agent.status().drops
    return sum(drop.dropped for drop in drops), sum(drop.limited for drop in drops)


@contextmanager
def flood(programs: Path, agent: Agent) -> Iterator[Flood]:
    """Flood for some seconds from now on; leaves when both the body and the flood are over."""
    directory = programs / "flooding"
    directory.mkdir(mode=0o755)
    found = Flood(agent, losses(agent))
    source = compiled("flood", programs)
    say(f"flooding for {SECONDS} s")
    began = time.monotonic()
    for name, words in PROGRAMS.items():
        program = directory / name
        program.write_bytes(source.read_bytes())
        program.chmod(0o755)
        argv = [str(program), str(UID), str(SECONDS), *words]
        found.started += [
            subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(EACH)
        ]
    try:
        yield found
    finally:
        for process in found.started:
            output, _ = process.communicate()
            found.execs += int(output or 0)
        found.seconds = min(time.monotonic() - began, float(SECONDS))

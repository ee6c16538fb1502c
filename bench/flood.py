"""Programs called runc and docker that execute themselves in a loop, as fast as they can."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.noise import EACH, Noise, noise
from bench.progress import say
from bench.rows import Row
from lab.image import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.agent import Agent

SECONDS = 5
PROGRAMS = {"runc": ("list",), "docker": ("run", "--rm", IMAGE, "true")}
"""What each is called, and its command line: docker's fits any user who names nothing."""


@dataclass(slots=True)
class Flood:
    """What the flood did, and what the agent reports of it afterwards."""

    agent: Agent
    before: tuple[int, int]
    noise: Noise
    dropped: int = 0
    limited: int = 0

    def count(self) -> None:
        """Take over what the agent has counted."""
        dropped, limited = losses(self.agent)
        self.dropped, self.limited = dropped - self.before[0], limited - self.before[1]

    def rows(self, command: str) -> list[Row]:
        """Report the flood and its counting."""
        made = self.noise
        return [
            Row(
                f"flood: execs of {EACH} programs called runc and {EACH} called docker",
                f"{made.execs} in {made.seconds:.1f} s, {made.rate:,.0f} a second",
                None,
                None,
                command,
                {"execs": made.execs, "execs_per_second": made.rate},
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
    before = losses(agent)
    say(f"flooding for {SECONDS} s")
    with noise(programs, programs / "flooding", PROGRAMS, SECONDS) as made:
        yield Flood(agent, before, made)

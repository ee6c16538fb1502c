"""Several versions in turn on the same machine: ``python -m bench.turns CHECKOUT CHECKOUT ...``.

Other work on the machine changes what a start costs by more than most changes do. So the agents of
the checkouts take turns at bursts of containers under the same engines, and each is compared with
the first one of the same round.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.agent import Agent, wall
from bench.burst import burst
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import pss_mib
from bench.node import held, own_lab
from bench.numbers import percentile
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from sensor.bpf import loader

if TYPE_CHECKING:
    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.turns"
NS_PER_MS = 1e6
WARM_STARTS = 8
"""Containers before those that count."""
UNITS = {"p50": "ms", "cpu": "ms", "pss": "MiB"}
"""What of a turn is compared."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one burst took: ms, and MiB of memory after it."""

    p50: float
    cpu: float
    """Of the agent for one start and its stop."""
    pss: float


def turn(lab: Lab, running: Engines, stamp: Path, checkout: Path, starts: int) -> Turn:
    """Run a burst under the agent of a checkout, with probes of its own alone."""
    with held():
        loader.unload()
    agent = Agent(lab, stamp)
    agent.command[0] = checkout / "bin" / "castoff"
    with agent:
        burst(agent, running, WARM_STARTS)
        done = burst(agent, running, starts)
        pss = pss_mib(agent)
    waits = [(line.read - wall(line.event["time"])) / NS_PER_MS for line in done.of("start")]
    return Turn(percentile(waits, 0.5), done.cpu_ns / NS_PER_MS / starts, pss)


def rows(turns: dict[Path, list[Turn]]) -> list[Row]:
    """Return medians of each checkout, and those of its ratios to the first one."""
    first = next(iter(turns.values()))
    found = []
    for checkout, own in turns.items():
        pairs = list(zip(own, first, strict=True))
        values: dict[str, float] = {}
        for name, unit in UNITS.items():
            values[f"{name}_{unit.lower()}"] = statistics.median(getattr(one, name) for one in own)
            values[f"{name}_ratio"] = statistics.median(
                getattr(mine, name) / getattr(other, name) for mine, other in pairs
            )
        found.append(
            Row(
                f"{checkout}: p50 of a start's line, CPU of a start and its stop, memory (PSS)",
                ", ".join(
                    f"{values[f'{name}_{unit.lower()}']:.2f} {unit} ({values[f'{name}_ratio']:.2f})"
                    for name, unit in UNITS.items()
                ),
                None,
                None,
                COMMAND,
                values,
            )
        )
    return found


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("checkouts", type=Path, nargs="+", metavar="CHECKOUT")
    options.add_argument("--rounds", type=int, default=3, help="turns of each checkout")
    options.add_argument("--starts", type=int, default=40, help="containers in a burst")
    arguments = options.parse_args()
    checkouts = [one.resolve() for one in arguments.checkouts]
    turns: dict[Path, list[Turn]] = {one: [] for one in checkouts}
    with reporting(arguments.json) as found, own_lab() as lab, engines(lab) as running:
        stamp = compiled("stamp", lab.sub("programs"))
        for number in range(arguments.rounds):
            # There and back: what drifts meanwhile counts for both.
            for one in checkouts if number % 2 == 0 else checkouts[::-1]:
                say(f"round {number + 1} of {arguments.rounds}: {one}")
                taken = turn(lab, running, stamp, one, arguments.starts)
                say(f"p50 {taken.p50:.2f} ms, CPU {taken.cpu:.2f} ms, PSS {taken.pss:.1f} MiB")
                turns[one].append(taken)
        found.extend(rows(turns))


if __name__ == "__main__":
    main()

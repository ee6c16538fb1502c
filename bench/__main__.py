"""``python -m bench``: the numbers of docs/bench.md, measured here and now.

Needs root, gcc and the engines of ``make setup-test``; takes about five minutes. Ends with 1 when a
target is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import (
    completeness,
    drift,
    footprint,
    latency,
    loading,
    loops,
    profile,
    replay,
    size,
    stages,
)
from bench.agent import Agent
from bench.burst import STARTS, Burst, burst
from bench.command import parser, reporting
from bench.engine import engines
from bench.node import own_lab
from bench.programs import compiled
from bench.progress import say

if TYPE_CHECKING:
    from bench.rows import Row

COMMAND = "make bench"
PARTS = ("starts", "stages", "replay", "loops")


def main() -> None:
    """Run the parts that are asked for and print one table."""
    options = parser("python -m bench", __doc__)
    options.add_argument("--starts", type=int, default=STARTS, help="containers in a burst")
    options.add_argument("--only", choices=PARTS, action="append", help="this part only")
    arguments = options.parse_args()
    with reporting(arguments.json, lambda rows: drift.report(rows, drift.read())) as rows:
        measure(arguments.only or list(PARTS), arguments.starts, rows)


def measure(parts: list[str], starts: int, rows: list[Row]) -> None:
    """Measure the parts and append their rows, each with a command that gives it alone."""
    commands = {part: f"python -m bench --only {part}" for part in PARTS}
    with own_lab() as lab:
        programs = lab.sub("programs")
        capture = lab.directory / "burst.capture"
        bursts: list[Burst] = []
        rows.append(drift.unit_row(COMMAND))
        if {"starts", "stages", "replay"} & set(parts):
            stamp = compiled("stamp", programs)
            with engines(lab) as running:
                if "starts" in parts:
                    say(f"{starts} containers under the eyes of castoff run")
                    with Agent(lab, stamp) as agent:
                        bursts.append(burst(agent, running, starts))
                        rows += completeness.rows(bursts[-1], commands["starts"])
                        rows += latency.rows(bursts[-1], commands["starts"])
                        rows += footprint.rows(agent, bursts[-1], commands["starts"])
                if "stages" in parts:
                    say(f"{starts} containers under the eyes of an agent with a clock")
                    rows += stages.measure(lab, running, stamp, starts, commands["stages"])
                if "replay" in parts:
                    say(f"{starts} containers under the eyes of castoff record")
                    with Agent(lab, stamp, "record", capture) as agent:
                        bursts.append(burst(agent, running, starts))
            if bursts:
                rows += size.rows(bursts, commands["starts"])
        if "replay" in parts:
            rows += replay.rows(capture, commands["replay"])
            rows += profile.rows(profile.arrivals_of(capture), commands["replay"])
        if "loops" in parts:
            rows += loading.rows(commands["loops"])
            rows += loops.rows(compiled("loops", programs), lab, commands["loops"])


if __name__ == "__main__":
    main()

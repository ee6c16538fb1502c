"""Where the time of a start goes in the whole agent: ``python -m bench.stages``.

A burst of containers under the eyes of an agent with a clock between its stages
(:mod:`bench.staged`). ``bench.profile`` replays the core alone and is steadier; this has what a
replay cannot show: the wait for a processor, cold caches, the write of the line.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bench.agent import CHECKOUT, Agent
from bench.burst import STARTS, burst
from bench.engine import engines
from bench.machine import machine
from bench.node import own_lab
from bench.numbers import percentile
from bench.programs import compiled
from bench.rows import Row, missed, table

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.stages"
NS_PER_US = 1000
NS_PER_MS = 1e6
SHOWN_MS = 0.01
"""Processor time of a thread for a start from which on it is shown."""
BUDGETS = {
    "wake": 120,
    "read": 35,
    "decode": 100,
    "core": 310,
    "judge": 190,
    "encode": 90,
    "ship": 45,
    "conclude": 250,
    "append": 50,
}
"""Microseconds of each stage for a start, median of a burst of eight at a time."""
WHAT = {
    "wake": "from the init's execve until the loop runs",
    "read": "out of both rings",
    "decode": "records of the batch",
    "core": "to the event",
    "judge": "to the verdict",
    "encode": "one line of JSON",
    "ship": "the line to standard output",
    "conclude": "what the judge remembers, after the line",
    "append": "to the queue of the log, after the line",
}


def rows(file: Path, starts: int, command: str = COMMAND) -> list[Row]:
    """Read what an agent of :mod:`bench.staged` wrote of a burst of so many starts."""
    found = json.loads(file.read_text(encoding="utf-8"))
    result = []
    for name, budget in BUDGETS.items():
        taken = [one / NS_PER_US for one in found["stages"][name]]
        middle, late = percentile(taken, 0.5), percentile(taken, 0.99)
        result.append(
            Row(
                f"stage {name}: {WHAT[name]}",
                f"p50 {middle:.0f} us, p99 {late:.0f} us",
                f"{budget} us",
                middle <= budget,
                command,
                {"p50_us": middle, "p99_us": late},
            )
        )
    total = [one / NS_PER_MS for one in found["total"]]
    threads = {name: used / NS_PER_MS / starts for name, used in found["threads"].items()}
    used = ", ".join(
        f"{name} {one:.2f}" for name, one in sorted(threads.items()) if one >= SHOWN_MS
    )
    result.append(
        Row(
            "the whole, from the init's execve to the line's write",
            f"p50 {percentile(total, 0.5):.2f} ms, p99 {percentile(total, 0.99):.2f} ms",
            None,
            None,
            command,
            {"p50_ms": percentile(total, 0.5), "p99_ms": percentile(total, 0.99)},
        )
    )
    result.append(
        Row(
            "wake-ups, records of the kernel and CPU (ms) of each thread, for a start",
            f"{found['wakes'] / starts:.1f}, {found['records'] / starts:.1f}; {used}",
            None,
            None,
            command,
            {
                "wakes": found["wakes"] / starts,
                "records": found["records"] / starts,
                **{f"{name}_ms": one for name, one in threads.items()},
            },
        )
    )
    return result


def measure(
    lab: Lab, running: Engines, stamp: Path, starts: int, command: str = COMMAND
) -> list[Row]:
    """Run a burst under an agent with a clock."""
    file = lab.directory / "stages.json"
    agent = Agent(lab, stamp)
    agent.command[:1] = [sys.executable, "-m", "bench.staged", file]
    agent.directory = CHECKOUT
    with agent:
        burst(agent, running, starts)
    return rows(file, starts, command)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=STARTS, help="containers in the burst")
    arguments = parser.parse_args()
    here = machine()
    with own_lab() as lab, engines(lab) as running:
        found = measure(lab, running, compiled("stamp", lab.sub("programs")), arguments.starts)
    print(f"{here}\n\n{table(found)}")
    sys.exit(1 if missed(found) else 0)


if __name__ == "__main__":
    main()

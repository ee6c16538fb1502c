"""A node that builds: ``python -m bench.build_node``.

1,000 commands a second live a moment, half of them in containers and half on the host, as compilers
and shells of jobs do. The agent does not report them, and they must cost nothing. Meanwhile jobs
start containers by docker. Each figure is beside that of the same containers without the commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.agent import Agent, wall
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import observations, pss_mib
from bench.node import own_lab
from bench.numbers import percentile
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.engines import unique
from lab.image import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.build_node"
PER_SECOND, SECONDS = 1000, 60
WORKERS = 4
"""Programs that make commands; every other one runs in a container."""
PACE = 2.0
"""Containers that are begun in a second."""
JOBS = 4
"""Of them at one time, at most."""
QUIET_PERCENT = 0.5
"""Of a core, what the agent may take for the commands alone."""
LAG_MS = 10.0
NS_PER_MS, NS_PER_SECOND = 1e6, 1e9


@dataclass(slots=True)
class Seen:
    """What was measured in one stretch."""

    commands: int = 0
    """Those of the workers that were there."""
    seconds: float = 0.0
    share: float = 0.0
    """Of a core, what the agent took."""
    observations: int = 0
    """Records that the probes handed over."""
    ids: set[str] = field(default_factory=set)
    """Containers that were started."""


@contextmanager
def commands(lab: Lab, node: Engines, program: Path, seconds: int, seen: Seen) -> Iterator[None]:
    """Have the workers make commands meanwhile; leaves when they have ended."""
    with ExitStack() as stack:
        running: list[subprocess.Popen[str]] = []
        for number in range(WORKERS):
            line = [str(program), str(PER_SECOND // WORKERS), str(seconds), str(program)]
            if number % 2:
                place = ("run", "--rm", "--network", "none", "--volume", f"{program}:{program}:ro")
                line = node.docker.command(*place, IMAGE, *line)
            process = subprocess.Popen(
                line,
                stdout=subprocess.PIPE,
                text=True,
                env=node.docker.environment if number % 2 else {**os.environ, **lab.mark},
            )
            running.append(stack.enter_context(process))
        try:
            yield
        finally:
            for process in running:
                output, _ = process.communicate()
                seen.commands += int(output or 0)


def start(agent: Agent, node: Engines, seconds: int) -> set[str]:
    """Begin containers at an even pace for so long; return their ids once all are reported."""
    began = time.monotonic()

    def run(number: int) -> str:
        time.sleep(max(0.0, began + number / PACE - time.monotonic()))
        identity, code = node.docker.run_to_end("--rm", "--name", unique("job"), IMAGE, "true")
        if code != 0:
            raise RuntimeError(f"docker run ended with {code}")
        return identity

    with ThreadPoolExecutor(JOBS) as pool:
        ids = set(pool.map(run, range(int(seconds * PACE))))
    agent.wait_for(
        lambda: {line.container["id"] for line in agent.of("stop")} >= ids,
        "every container's stop is reported",
    )
    return ids


def stretch(
    agent: Agent, lab: Lab, node: Engines, program: Path, *, busy: bool, starts: bool
) -> Seen:
    """Measure the agent for a while, with and without commands, with and without starts."""
    seen = Seen()
    agent.settle(node.runc)
    cpu, records, began = agent.cpu_ns(), observations(agent), time.monotonic()
    with ExitStack() as stack:
        if busy:
            stack.enter_context(commands(lab, node, program, SECONDS, seen))
        if starts:
            seen.ids = start(agent, node, SECONDS)
        elif not busy:
            time.sleep(SECONDS)
    seen.seconds = time.monotonic() - began
    seen.share = (agent.cpu_ns() - cpu) / NS_PER_SECOND / seen.seconds
    seen.observations = observations(agent) - records
    return seen


def rows(lab: Lab, node: Engines, stamp: Path) -> Iterator[Row]:
    """Measure a quiet node, one with commands alone, one with starts alone, and one with both."""
    program = compiled("jobs", lab.sub("programs"))
    with Agent(lab, stamp) as agent:
        say("a quiet node")
        quiet = stretch(agent, lab, node, program, busy=False, starts=False)
        say(f"{PER_SECOND} commands a second")
        busy = stretch(agent, lab, node, program, busy=True, starts=False)
        say("containers alone")
        alone = stretch(agent, lab, node, program, busy=False, starts=True)
        say("both")
        both = stretch(agent, lab, node, program, busy=True, starts=True)
        mib = pss_mib(agent)
        lines = agent.of("start")
        others = [json.dumps(line.event)[:200] for line in agent.lines if line.event["gap"]]
    rate = busy.commands / busy.seconds
    yield Row(
        f"{rate:,.0f} commands a second, half of them in containers: agent's CPU",
        f"{100 * busy.share:.2f} % of a core, {busy.observations} records; "
        f"{100 * quiet.share:.2f} % and {quiet.observations} without them",
        f"{QUIET_PERCENT} % more",
        100 * (busy.share - quiet.share) <= QUIET_PERCENT,
        COMMAND,
        {"commands_per_second": rate, "busy_share": busy.share, "quiet_share": quiet.share},
    )
    started = [line.container["id"] for line in lines]
    for what, one in (("alone", alone), ("beside the commands", both)):
        seen = [line for line in lines if line.container["id"] in one.ids]
        missing = len(one.ids) - len({line.container["id"] for line in seen})
        twice = sum(started.count(id_) > 1 for id_ in one.ids)
        lags = [(line.read - wall(line.event["time"])) / NS_PER_MS for line in seen]
        p50, p99 = percentile(lags, 0.5), percentile(lags, 0.99)
        each = 1000 * one.share * one.seconds / len(one.ids)
        yield Row(
            f"{len(one.ids)} docker run {what}: reported; init's execve to line read; CPU of one",
            f"{missing} missing, {twice} twice; p50 {p50:.2f}, p99 {p99:.2f} ms; {each:.2f} ms",
            f"0, 0; p99 {LAG_MS:.0f} ms",
            not missing and not twice and p99 <= LAG_MS,
            COMMAND,
            {"missing": missing, "twice": twice, "p50_ms": p50, "p99_ms": p99, "cpu_ms": each},
        )
    yield Row(
        "the same: gaps; memory (PSS)",
        f"{len(others)}; {mib:.1f} MiB",
        "0",
        not others,
        COMMAND,
        {"gaps": len(others), "pss_mib": mib},
    )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    arguments = options.parse_args()
    with reporting(arguments.json) as found, own_lab() as lab, engines(lab) as node:
        found.extend(rows(lab, node, compiled("stamp", lab.sub("programs"))))


if __name__ == "__main__":
    main()

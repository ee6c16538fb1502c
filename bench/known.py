"""An agent that knows as many containers as it can: ``python -m bench.known``.

16,384 containers have started and ended. Measured before and after: what a start and its stop take,
the memory, what the agent takes while nothing happens. Then how long a list of all takes, and how
long the next agent needs until it answers with all of that. ``bench.kills`` has the program that
stands in for the runtime.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.agent import Agent
from bench.command import parser, reporting
from bench.engine import engines
from bench.footprint import pss_mib
from bench.kills import start_many
from bench.node import own_lab
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row
from lab.engines import unique
from sensor.api.client import AgentClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "python -m bench.known"
KNOWN = 16384
PER_SECOND = 160
SAMPLE, SAMPLE_PER_SECOND = 480, 24
IDLE_SECONDS = 30.0
READY_SECONDS = 3.0
KNOWN_MIB = 80.0
RATIO = 1.1
"""By how much a start may cost more where the table is full."""
NS_PER_MS, NS_PER_SECOND = 1e6, 1e9


def each(agent: Agent, lab: Lab, node: Engines, bundle: Path) -> float:
    """Return the agent's processor time in ms for one start and its stop, of a few hundred."""
    agent.settle(node.runc)
    before = agent.cpu_ns()
    count = len(start_many(lab, bundle, SAMPLE, SAMPLE_PER_SECOND))
    agent.settle(node.runc)
    return (agent.cpu_ns() - before) / NS_PER_MS / count


def idle(agent: Agent) -> float:
    """Return the agent's share of a core, in percent, while nothing is started."""
    say(f"leaving the agent alone for {IDLE_SECONDS:.0f} s")
    before, began = agent.cpu_ns(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return 100 * (agent.cpu_ns() - before) / NS_PER_SECOND / (time.monotonic() - began)


def listed(agent: Agent) -> tuple[int, float]:
    """Return how many containers the agent lists, and in how many ms."""
    began = time.perf_counter()
    containers = AgentClient(agent.socket).document("/v1/containers?all=1")["containers"]
    return len(containers), 1000 * (time.perf_counter() - began)


def rows(lab: Lab, node: Engines, stamp: Path, count: int) -> Iterator[Row]:
    """Fill the table of containers, and compare with before."""
    bundle = node.runc.bundle(unique("known"), "true")
    agent = Agent(lab, stamp)
    with agent:
        fresh = each(agent, lab, node, bundle)
        young, quiet = pss_mib(agent), idle(agent)
        say(f"{count:,} containers start and end, {PER_SECOND} a second")
        ids = set(start_many(lab, bundle, count, PER_SECOND))
        agent.settle(node.runc)
        seen = [line.container["id"] for line in agent.of("start")]
        mib, calm = pss_mib(agent), idle(agent)
        full = each(agent, lab, node, bundle)
        known, took = listed(agent)
    again = Agent(lab, stamp, state=agent.state)
    began = time.monotonic()
    with again:
        ready = time.monotonic() - began
        kept, _ = listed(again)
        later = pss_mib(again)
    missing, twice = len(ids - set(seen)), len(seen) - len(set(seen))
    yield Row(
        f"{len(ids):,} starts, {PER_SECOND} a second: reported; containers that are known then",
        f"{missing} missing, {twice} twice; {known:,} listed in {took:.0f} ms",
        "0, 0",
        not missing and not twice,
        COMMAND,
        {"missing": missing, "twice": twice, "known": known, "list_ms": took},
    )
    yield Row(
        "the same: agent's CPU for a start and its stop, before and after",
        f"{fresh:.2f}, {full:.2f} ms",
        f"x {RATIO}",
        full <= RATIO * fresh,
        COMMAND,
        {"fresh_ms": fresh, "full_ms": full},
    )
    yield Row(
        "the same: agent's CPU when idle, before and after",
        f"{quiet:.3f}, {calm:.3f} % of a core",
        None,
        None,
        COMMAND,
        {"fresh_percent": quiet, "full_percent": calm},
    )
    yield Row(
        "the same: memory (PSS) before and after, and of the next agent",
        f"{young:.1f}, {mib:.1f}, {later:.1f} MiB",
        f"{KNOWN_MIB:.0f} MiB",
        mib <= KNOWN_MIB,
        COMMAND,
        {"fresh_mib": young, "full_mib": mib, "next_mib": later},
    )
    yield Row(
        "the same: the next agent answers after, and lists",
        f"{ready:.1f} s, {kept:,} containers",
        f"{READY_SECONDS:.0f} s",
        ready <= READY_SECONDS,
        COMMAND,
        {"ready_s": ready, "known": kept},
    )


def main() -> None:
    """Run from the command line."""
    options = parser(COMMAND, __doc__)
    options.add_argument("--count", type=int, default=KNOWN, help="containers to start")
    arguments = options.parse_args()
    with reporting(arguments.json) as found, own_lab() as lab, engines(lab) as node:
        found.extend(rows(lab, node, compiled("stamp", lab.sub("programs")), arguments.count))


if __name__ == "__main__":
    main()

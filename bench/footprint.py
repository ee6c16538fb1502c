"""What the agent takes of the node: memory, CPU when nothing happens, CPU of one start."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bench.progress import say
from bench.rows import Row

if TYPE_CHECKING:
    from bench.agent import Agent
    from bench.burst import Burst

PSS_MIB = 32.0
IDLE_PERCENT = 0.1
IDLE_SECONDS = 30.0
START_MS = 4.0
LARGEST = 6
"""Mappings named where memory is shown."""
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)")
"""A mapping's head line in /proc/PID/smaps; what follows are its figures."""
COMPILER_LIBRARIES = ("libLLVM", "libbcc", "libclang")

KIB_PER_MIB = 1024
NS_PER_MS = 1e6
NS_PER_SECOND = 1e9


def rows(agent: Agent, burst: Burst, command: str) -> list[Row]:
    """Measure an agent that has just reported a burst."""
    memory = _memory(agent)
    pss = memory.total() / KIB_PER_MIB
    largest = memory.most_common(LARGEST)
    say("memory: " + ", ".join(f"{name} {kib} KiB" for name, kib in largest))
    compilers = sorted({name for one in agent.processes() for name in _compilers(one.pid)})
    cost = burst.cpu_ns / NS_PER_MS / len(burst.names)
    percent, seen = _idle(agent)
    return [
        Row(
            f"agent's memory (PSS) after {len(burst.names)} starts",
            f"{pss:.1f} MiB",
            f"{PSS_MIB:.0f} MiB",
            pss <= PSS_MIB,
            command,
            {"pss_mib": pss, **{f"{name}_kib": float(kib) for name, kib in largest}},
        ),
        Row(
            "compiler libraries mapped in the agent",
            ", ".join(compilers) or "none",
            "none",
            not compilers,
            command,
            {"libraries": len(compilers)},
        ),
        Row(
            f"agent's CPU when idle, {IDLE_SECONDS:.0f} s",
            f"{percent:.3f} % of a core, {seen} observations",
            f"{IDLE_PERCENT} %",
            percent <= IDLE_PERCENT,
            command,
            {"idle_percent": percent, "observations": seen},
        ),
        Row(
            "agent's CPU for one start and its stop",
            f"{cost:.2f} ms",
            f"{START_MS:.0f} ms",
            cost <= START_MS,
            command,
            {"cpu_ms_per_start": cost},
        ),
    ]


def _memory(agent: Agent) -> Counter[str]:
    return sum((_pss_kib(one.pid) for one in agent.processes()), Counter())


def pss_mib(agent: Agent) -> float:
    """Return the PSS of the agent and its children."""
    return _memory(agent).total() / KIB_PER_MIB


def _pss_kib(pid: int) -> Counter[str]:
    """Return the PSS of a process by what is mapped; the sum is that of smaps_rollup."""
    found: Counter[str] = Counter()
    name = ""
    text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        mapping = MAPPING.match(line)
        if mapping is not None:
            name = mapping[1].rpartition("/")[2] or "anonymous"
        elif line.startswith("Pss:"):
            found[name] += int(line.split()[1])
    return found


def _compilers(pid: int) -> list[str]:
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    return [name for name in COMPILER_LIBRARIES if name in maps]


def _idle(agent: Agent) -> tuple[float, int]:
    """CPU share over a time in which the bench starts nothing, and what the agent still saw.

    Others may: the observations show whether it was idle at all.
    """
    say(f"leaving the agent alone for {IDLE_SECONDS:.0f} s")
    seen = observations(agent)
    cpu, began = agent.cpu_ns(), time.monotonic_ns()
    time.sleep(IDLE_SECONDS)
    cpu, took = agent.cpu_ns() - cpu, time.monotonic_ns() - began
    return 100 * cpu / took, observations(agent) - seen


def observations(agent: Agent) -> int:
    """Return how many records all of its sources had so far."""
    return sum(source.observations for source in agent.status().sources)

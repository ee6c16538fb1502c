"""What the probes cost processes that they are not about.

Loops of small C programs, without and with the probes loaded in turn: the later state of a pair is
the earlier one of the next, so that a machine that grows slower or faster spoils nothing. A figure
is the CPU time of an iteration, the least of several short runs: on a shared machine the wall clock
measures the others. A ratio is that of a pair; the table shows medians and quartiles.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.loading import switch
from bench.node import held
from bench.numbers import middle
from bench.progress import say
from bench.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engines.lab import Lab

PAIRS = 12
RUNS = 6


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of loops.c, how often it goes round in a run (some 50 ms), and its target ratio."""

    name: str
    what: str
    count: int
    target: float | None


LOOPS = (
    Loop("exec", "fork, exec /bin/true, wait", 100, 1.01),
    Loop("exec-static", "the same with the smallest program there is", 200, None),
    Loop("syscalls", "getppid and a write of one byte", 150_000, 1.0),
    Loop("connect", "connect to a unix socket, accept, close", 10_000, None),
)
TOLERANCE = 0.005
"""Unchanged, as far as this can be told: half a percent."""


@dataclass(frozen=True, slots=True)
class Case:
    """A loop on the first processor, or on all of them at once."""

    loop: Loop
    processors: tuple[int, ...]

    @property
    def title(self) -> str:
        """How the table calls it."""
        where = "one core" if len(self.processors) == 1 else f"on all {len(self.processors)} cores"
        return f"{self.loop.name} loop with probes / without, {where} ({self.loop.what})"


def cases() -> list[Case]:
    """Every loop on one processor and on all."""
    processors = tuple(sorted(os.sched_getaffinity(0)))
    places = [processors[:1]] if len(processors) == 1 else [processors[:1], processors]
    return [Case(loop, place) for loop in LOOPS for place in places]


def measure(program: Path, lab: Lab, case: Case) -> tuple[float, float]:
    """Nanoseconds of CPU time and of wall time of one iteration, the least of several runs."""
    found = [_run(program, lab, case) for _ in range(RUNS)]
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def _run(program: Path, lab: Lab, case: Case) -> tuple[float, float]:
    running = [
        subprocess.Popen(
            [
                *(program, case.loop.name, str(case.loop.count), str(processor)),
                *([lab.directory / f"l{processor}.sock"] if case.loop.name == "connect" else []),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for processor in case.processors
    ]
    cpu = wall = 0.0
    for process in running:
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the {case.loop.name} loop ended with {process.returncode}")
        one_cpu, one_wall = map(float, output.split())
        cpu += one_cpu / len(running)
        wall += one_wall / len(running)
    return cpu, wall


def rows(program: Path, lab: Lab, command: str) -> tuple[list[Row], list[float]]:
    """Measure all pairs; returns the rows, and how long each loading of the probes took."""
    everything = cases()
    ratios: dict[Case, list[tuple[float, float]]] = {case: [] for case in everything}
    without: dict[Case, float] = {}
    loads: list[float] = []
    with held():
        switch("unload")
        loaded = False
        for number in range(PAIRS):
            found: dict[bool, dict[Case, tuple[float, float]]] = {}
            for state in (loaded, not loaded):
                if state is not loaded:
                    took = switch("load" if state else "unload")
                    loads += [took] if state else []
                    loaded = state
                found[state] = {case: measure(program, lab, case) for case in everything}
            for case in everything:
                off, on = found[False][case], found[True][case]
                ratios[case].append((on[0] / off[0], on[1] / off[1]))
                without[case] = min(off[0], without.get(case, off[0]))
            say(f"pair {number + 1} of {PAIRS} of loops")
        switch("unload")
    return [_row(case, ratios[case], without[case], command) for case in everything], loads


def _row(case: Case, ratios: list[tuple[float, float]], without: float, command: str) -> Row:
    low, median, high = middle([cpu for cpu, _ in ratios])
    _, wall, _ = middle([wall for _, wall in ratios])
    target = case.loop.target
    limit = None if target is None else max(target, 1 + TOLERANCE)
    return Row(
        case.title,
        f"{median:.3f} ({low:.3f}-{high:.3f}) of {without / 1000:.2f} us",
        None if target is None else f"{target:.2f}",
        None if limit is None else median <= limit,
        command,
        {
            "ratio": median,
            "ratio_low": low,
            "ratio_high": high,
            "ratio_wall": wall,
            "without_ns": without,
            "pairs": len(ratios),
        },
    )

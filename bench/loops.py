"""What the probes cost processes that they are not about.

Loops of a small C program in pairs, one without the probes and one with them a moment later or
earlier, a few hundred of each. A figure is the CPU time of an iteration: on a shared machine the
wall clock measures the others. A ratio is that of a pair; the table shows the median of all, and
between what it lies with 95 % confidence.

Ratios of 1.00 to 1.01 are hardly distinct; the kernel also counts how long each program ran.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.attachment import attachment, timed
from bench.numbers import percentile, sure_median
from bench.progress import say
from bench.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

    from bench.attachment import Attachment
    from lab.engines import Lab

CASE_SECONDS = 7.0
PAIRS_MIN = 9
UNCHANGED = 1.005
"""A ratio of 1.00: what is below this is so when rounded."""
LIFE = ("on_fork", "on_exec", "on_exit")
"""The programs that run once in the life of a process of the exec loop."""
LIVES = 500


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of loops.c, how often it goes round in a run (some 20 ms), and its target ratio."""

    name: str
    what: str
    count: int
    target: str | None
    limit: float | None


LOOPS = (
    Loop("exec", "fork, exec /bin/true, wait", 40, "1.01", 1.01),
    Loop("exec-static", "the same with the smallest program there is", 60, None, None),
    Loop("syscalls", "getppid and a write of one byte", 80_000, "1.00", UNCHANGED),
    Loop("connect", "connect to a unix socket, accept, close", 4_000, None, None),
    Loop("unix-send", "100 bytes through a unix socket", 20_000, None, None),
    Loop("tcp-send", "100 bytes through TCP on loopback", 8_000, None, None),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A loop on one processor, or on all of them at once."""

    loop: Loop
    processors: tuple[int, ...]

    @property
    def title(self) -> str:
        """How the table calls it."""
        where = "one core" if len(self.processors) == 1 else f"on all {len(self.processors)} cores"
        return f"{self.loop.name} loop with probes / without, {where} ({self.loop.what})"


@dataclass(frozen=True, slots=True)
class Cost:
    """Nanoseconds of one iteration: of CPU time, and of wall time."""

    cpu: float
    wall: float


def cases() -> list[Case]:
    """Every loop on one processor and on all."""
    processors = tuple(sorted(os.sched_getaffinity(0)))
    places = dict.fromkeys((processors[:1], processors))
    return [Case(loop, place) for loop in LOOPS for place in places]


def rows(program: Path, lab: Lab, command: str) -> list[Row]:
    """Measure every case."""
    found: list[Row] = []
    with attachment() as probes:
        for case in cases():
            say(f"{case.loop.name} loop, {len(case.processors)} at once, {CASE_SECONDS:.0f} s")
            found.append(_row(case, _pairs(program, lab, case, probes), command))
        found.append(_life(program, lab, probes, command))
    return found


def _pairs(program: Path, lab: Lab, case: Case, probes: Attachment) -> list[tuple[Cost, Cost]]:
    """Run it without and with the probes; every other pair begins with the probes attached."""
    pairs: list[tuple[Cost, Cost]] = []
    end = time.monotonic() + CASE_SECONDS
    while len(pairs) < PAIRS_MIN or time.monotonic() < end:
        costs: dict[bool, Cost] = {}
        first = len(pairs) % 2 == 1
        for on in (first, not first):
            probes.switch(on=on)
            costs[on] = _run(program, lab, case)
        pairs.append((costs[False], costs[True]))
    return pairs


def _run(program: Path, lab: Lab, case: Case) -> Cost:
    """Run a loop on each of its processors at once, and return the mean."""
    name = case.loop.name
    running = [
        subprocess.Popen(
            [program, name, str(case.loop.count), str(cpu), lab.directory / f"loop{cpu}.sock"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for cpu in case.processors
    ]
    costs: list[Cost] = []
    for process in running:
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the {name} loop ended with {process.returncode}")
        costs.append(Cost(*map(float, output.split())))
    return Cost(
        sum(cost.cpu for cost in costs) / len(costs), sum(cost.wall for cost in costs) / len(costs)
    )


def _row(case: Case, pairs: list[tuple[Cost, Cost]], command: str) -> Row:
    low, ratio, high = sure_median([on.cpu / off.cpu for off, on in pairs])
    _, wall, _ = sure_median([on.wall / off.wall for off, on in pairs])
    without = percentile([off.cpu for off, _ in pairs], 0.5)
    limit = case.loop.limit
    return Row(
        case.title,
        f"{ratio:.3f} ({low:.3f} to {high:.3f}) of {without / 1000:.2f} us, {len(pairs)} pairs",
        case.loop.target,
        None if limit is None else ratio <= limit,
        command,
        {
            "ratio": ratio,
            "ratio_low": low,
            "ratio_high": high,
            "ratio_wall": wall,
            "without_ns": without,
            "pairs": len(pairs),
        },
    )


def _life(program: Path, lab: Lab, probes: Attachment, command: str) -> Row:
    """Have the kernel time the programs during an exec loop."""
    probes.switch(on=True)
    before = {one.name: one.runs() for one in probes.programs}
    with timed():
        _run(program, lab, Case(Loop("exec", "", LIVES, None, None), (0,)))
    costs: dict[str, float] = {}
    for one in probes.programs:
        runs, ns = (after - then for after, then in zip(one.runs(), before[one.name], strict=True))
        if one.name in LIFE:
            costs[one.name] = ns / max(1, runs)
    total = sum(costs.values())
    parts = ", ".join(f"{name.removeprefix('on_')} {ns:.0f}" for name, ns in costs.items())
    return Row(
        "time in the probes for one process: its fork, exec and exit, by the kernel's count",
        f"{total / 1000:.2f} us ({parts} ns)",
        None,
        None,
        command,
        {f"{name}_ns": ns for name, ns in costs.items()},
    )

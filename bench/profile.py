"""Where the processor time of a start goes: ``python -m bench.profile CAPTURE``.

Replays a capture of ``castoff record`` through core, judge and encoder, and shows the microseconds
of each stage for a start and its stop, each with its budget. *Warm* is one batch after the other.
*Cold* is what an agent sees that is woken between two containers: the processor's caches hold other
things. ``--modules`` shows the modules that take most, by the profiler, which makes small functions
look larger than they are.

Times are those of the thread, so that other work on the machine counts only by its use of caches:
compare two runs made in turn.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import machine
from bench.rows import Row, missed, table
from sensor.agent.parsers import parsers
from sensor.correlate.core import Correlator
from sensor.judge.judge import Judge
from sensor.model.kernel_records import InitExec
from sensor.model.vocabulary import EventType
from sensor.schema.line import LineEncoder
from sensor.sources.capture import open_capture

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.model.events import Event
    from sensor.sources.capture import Arrival

COMMAND = "python -m bench.profile CAPTURE"
NS_PER_US = 1000
CACHE_BYTES = 16 << 20
"""Copied between two batches to make the caches cold: more than a core's own cache holds."""
REPETITIONS = 5
MODULES = 25
SHOWN = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way of a start, and what it may take (us, warm)."""

    name: str
    what: str
    budget: float


STAGES = (
    Stage("event", "core, from the init's execve to the event (median)", 75),
    Stage("judge", "judge, to the verdict (median)", 55),
    Stage("encode", "encoder, one line (median)", 50),
    Stage("conclude", "judge, what it remembers of a start (mean)", 100),
    Stage("core", "core, all records of a start and its stop (mean)", 450),
)


@dataclass(slots=True)
class Times:
    """Nanoseconds of each stage, one entry a start; of ``core`` one a batch."""

    taken: dict[str, list[int]] = field(default_factory=lambda: {one.name: [] for one in STAGES})
    starts: int = 0

    def of(self, stage: Stage) -> float:
        """Return the microseconds of a stage."""
        found = self.taken[stage.name]
        if stage.name in {"core", "conclude"}:
            return sum(found) / NS_PER_US / max(1, self.starts)
        return statistics.median(found) / NS_PER_US if found else 0.0


def measured(arrivals: list[Arrival], *, cold: bool, profile: cProfile.Profile | None) -> Times:
    """Replay the arrivals once."""
    times, judge, encoder = Times(), Judge(), LineEncoder()
    began = own = 0
    first = False

    def on_event(event: Event) -> None:
        nonlocal own, first
        made = time.thread_time_ns()
        judged = judge.look_at(event)
        verdict = time.thread_time_ns()
        encoder.encode(judged)
        encoded = time.thread_time_ns()
        judge.conclude()
        judge.take_rows()
        judge.take_alerts()
        concluded = time.thread_time_ns()
        own += concluded - made
        times.taken["conclude"].append(concluded - encoded)
        if event.type is not EventType.START:
            return
        times.starts += 1
        if first:
            first = False
            times.taken["event"].append(made - began)
        times.taken["judge"].append(verdict - made)
        times.taken["encode"].append(encoded - verdict)

    core = Correlator(parsers(), on_event, encoder.foresee)
    source, target = bytearray(CACHE_BYTES), bytearray(CACHE_BYTES)
    gc.collect()
    gc.freeze()
    for arrival in arrivals:
        if cold:
            target[:] = source
        own, first = 0, any(isinstance(one, InitExec) for one in arrival.observations)
        if profile is not None:
            profile.enable()
        began = time.thread_time_ns()
        core.feed(arrival.now, arrival.observations)
        times.taken["core"].append(time.thread_time_ns() - began - own)
        if profile is not None:
            profile.disable()
    gc.unfreeze()
    return times


def best(run: Callable[[], Times]) -> dict[str, float]:
    """Return the least of several runs for each stage: the others were disturbed."""
    found = [run() for _ in range(REPETITIONS)]
    return {stage.name: min(times.of(stage) for times in found) for stage in STAGES}


def arrivals_of(file: Path) -> list[Arrival]:
    """Read a capture."""
    with open_capture(file) as capture:
        return list(capture)


def rows(arrivals: list[Arrival], command: str = COMMAND) -> list[Row]:
    """Measure warm and cold."""
    warm = best(lambda: measured(arrivals, cold=False, profile=None))
    cold = best(lambda: measured(arrivals, cold=True, profile=None))
    return [
        Row(
            stage.what,
            f"{warm[stage.name]:.0f} us warm, {cold[stage.name]:.0f} cold",
            f"{stage.budget:.0f} us warm",
            warm[stage.name] <= stage.budget,
            command,
            {"warm_us": warm[stage.name], "cold_us": cold[stage.name]},
        )
        for stage in STAGES
    ]


def by_module(arrivals: list[Arrival]) -> list[tuple[str, float]]:
    """Return the modules that take most, each with its share of all."""
    profile = cProfile.Profile(time.thread_time_ns, 1e-9)
    measured(arrivals, cold=False, profile=profile)
    spent: Counter[str] = Counter()
    for one in profile.getstats():
        # What is written in C has a text in place of its code.
        path = Path("~" if isinstance(one.code, str) else one.code.co_filename)
        inside = path.is_relative_to(SHOWN)
        spent[str(path.relative_to(SHOWN)) if inside else path.name] += round(one.inlinetime * 1e9)
    total = sum(spent.values()) or 1
    return [(name, own / total) for name, own in spent.most_common(MODULES)]


def main() -> int:
    """Run from the command line; 1 when a stage is beyond its budget."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("capture", type=Path, help="a file of castoff record")
    parser.add_argument("--modules", action="store_true", help="also show the modules")
    arguments = parser.parse_args()
    arrivals = arrivals_of(arguments.capture)
    found = rows(arrivals)
    print(f"{machine()}\n\n{table(found)}")
    if arguments.modules:
        for name, share in by_module(arrivals):
            print(f"{share:6.1%}  {name}")
    return 1 if missed(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How fast recorded observations run through the core again, from the file to the lines."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.agent import COMMAND
from bench.enlarge import enlarge
from bench.progress import say
from bench.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

PER_SECOND = 20_000.0
OBSERVATIONS = 60_000
REPETITIONS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of wall clock and of CPU time, and the events that came out."""

    wall: float
    cpu: float
    events: int


def rows(recorded: Path, command: str) -> list[Row]:
    """Enlarge a recorded capture and replay it: the whole command, start and output included."""
    large = recorded.with_suffix(".large")
    say(f"making a capture of {OBSERVATIONS} observations")
    count = enlarge(recorded, large, OBSERVATIONS)
    say("replaying it")
    runs = [_replay(large) for _ in range(REPETITIONS)]
    cpu = statistics.median(run.cpu for run in runs)
    wall = statistics.median(run.wall for run in runs)
    speed = count / cpu
    return [
        Row(
            f"observations replayed in a second of CPU time ({count} observations,"
            f" {runs[0].events} events)",
            f"{speed:,.0f}; {count / wall:,.0f} by the wall clock",
            f"{PER_SECOND:,.0f}",
            speed >= PER_SECOND,
            command,
            {
                "observations_per_cpu_second": speed,
                "observations_per_second": count / wall,
                "observations": count,
                "events": runs[0].events,
            },
        )
    ]


def _replay(capture: Path) -> Run:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([COMMAND, "replay", capture], check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Run(time.monotonic() - began, cpu, done.stdout.count(b"\n"))

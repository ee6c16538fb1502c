"""How fast recorded observations run through the core again, from the file to the lines."""

from __future__ import annotations

import statistics
import subprocess
import time
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


def rows(recorded: Path, command: str) -> list[Row]:
    """Enlarge a recorded capture and replay it: the whole command, start and output included."""
    large = recorded.with_suffix(".large")
    say(f"making a capture of {OBSERVATIONS} observations")
    count = enlarge(recorded, large, OBSERVATIONS)
    say("replaying it")
    runs = [_replay(large) for _ in range(REPETITIONS)]
    speed = count / statistics.median(seconds for seconds, _ in runs)
    events = runs[0][1]
    return [
        Row(
            f"observations replayed a second ({count} observations, {events} events)",
            f"{speed:,.0f}",
            f"{PER_SECOND:,.0f}",
            speed >= PER_SECOND,
            command,
            {"observations_per_second": speed, "observations": count, "events": events},
        )
    ]


def _replay(capture: Path) -> tuple[float, int]:
    """Return the seconds that it took and the number of events."""
    began = time.monotonic()
    done = subprocess.run([COMMAND, "replay", capture], check=True, stdout=subprocess.PIPE)
    return time.monotonic() - began, done.stdout.count(b"\n")

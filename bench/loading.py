"""How long the probes take to load into a kernel that has none."""

from __future__ import annotations

import statistics
import subprocess
import time

from bench.agent import COMMAND
from bench.node import held
from bench.progress import say
from bench.rows import Row
from sensor.bpf import loader

LOAD_SECONDS = 2.0
LOADS = 3


def rows(command: str) -> list[Row]:
    """Load them a few times; what is measured is the whole command."""
    say(f"loading the probes {LOADS} times")
    seconds = [_load_anew() for _ in range(LOADS)]
    median, most = statistics.median(seconds), max(seconds)
    return [
        Row(
            "loading the probes, all from anew",
            f"median {median:.2f} s, max {most:.2f} s of {LOADS}",
            f"{LOAD_SECONDS:.0f} s",
            median <= LOAD_SECONDS,
            command,
            {"median_s": median, "max_s": most, "loads": LOADS},
        )
    ]


def _load_anew() -> float:
    """Return how many seconds it took."""
    with held():
        loader.unload()
    began = time.monotonic()
    subprocess.run([COMMAND, "probes", "load"], check=True, capture_output=True)
    return time.monotonic() - began

"""How long the probes take to load into a kernel that has none."""

from __future__ import annotations

import statistics
import subprocess
import time

from bench.agent import COMMAND
from bench.node import held
from bench.progress import say
from bench.rows import Row

LOAD_SECONDS = 2.0
LOADS = 3


def rows(command: str) -> list[Row]:
    """Load them a few times; what is measured is the whole command."""
    say(f"loading the probes {LOADS} times")
    with held():
        seconds = [_load_anew() for _ in range(LOADS)]
        _probes("unload")
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
    _probes("unload")
    began = time.monotonic()
    _probes("load")
    return time.monotonic() - began


def _probes(verb: str) -> None:
    subprocess.run([COMMAND, "probes", verb], check=True, capture_output=True)

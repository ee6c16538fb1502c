"""How long the probes take to load into a kernel that has none."""

from __future__ import annotations

import statistics
import subprocess
import time

from bench.agent import COMMAND
from bench.rows import Row

LOAD_SECONDS = 2.0


def switch(verb: str) -> float:
    """``castoff probes load`` or ``unload``; returns how long the command took, in seconds."""
    began = time.monotonic()
    subprocess.run([COMMAND, "probes", verb], check=True, capture_output=True)
    return time.monotonic() - began


def rows(seconds: list[float], command: str) -> list[Row]:
    """Report what loading took each time."""
    median, most = statistics.median(seconds), max(seconds)
    return [
        Row(
            "loading the probes, all from anew",
            f"median {median:.2f} s, max {most:.2f} s of {len(seconds)}",
            f"{LOAD_SECONDS:.0f} s",
            median <= LOAD_SECONDS,
            command,
            {"median_s": median, "max_s": most, "loads": len(seconds)},
        )
    ]

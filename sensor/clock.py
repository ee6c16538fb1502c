"""The kernel's clocks, read together, and the tick on which the agent does what can wait."""

from __future__ import annotations

import math
import time

_ATTEMPTS = 3

TICK = 0.4
"""Seconds. What can wait is done on the tick, all of it together: a wake-up costs more than a look.
It is the same for all who read the same clock, so that their timers end at once."""


def boottime() -> int:
    """Nanoseconds since boot, suspend included: the clock of every kernel record."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def monotonic() -> int:
    """Nanoseconds since boot without those in which the machine was suspended."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def realtime_offset() -> int:
    """CLOCK_REALTIME - CLOCK_BOOTTIME in ns: the tightest of a few readings."""
    best: tuple[int, int] | None = None
    for _ in range(_ATTEMPTS):
        before = boottime()
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = boottime()
        reading = (after - before, wall - (before + after) // 2)
        if best is None or reading < best:
            best = reading
    return best[1] if best is not None else 0


def next_tick(now: float, after: float = 0.0) -> float:
    """Return the time of the first tick later than ``after`` seconds from ``now``."""
    return (math.floor((now + after) / TICK) + 1) * TICK

"""The kernel's clocks, read together."""

from __future__ import annotations

import time

_ATTEMPTS = 3


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

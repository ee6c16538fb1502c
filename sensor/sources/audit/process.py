"""When a process that an audit record names was started: audit gives only the pid."""

from __future__ import annotations

from pathlib import Path

from sensor.linux.process import stat_of
from sensor.model.process import NS_PER_TICK

COARSE = 2 * NS_PER_TICK
"""Nanoseconds that a process may seem younger than its own record: audit stamps come from the
coarse clock (a jiffy, 10 ms at HZ=100), cut to milliseconds."""


def start_time(pid: int, before: int, proc: Path = Path("/proc")) -> int | None:
    """Return a process's start in ns since boot, rounded down to 10 ms.

    None when it has ended, or when the process that now has the pid started after ``before`` (the
    record's time, ns since boot): then the pid was used again.
    """
    stat = stat_of(pid, proc)
    return stat.start_time if stat is not None and stat.start_time <= before + COARSE else None

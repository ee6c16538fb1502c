"""When a process that an audit record names was started: audit gives only the pid."""

from __future__ import annotations

from pathlib import Path

from sensor.model.process import NS_PER_TICK

COARSE = 2 * NS_PER_TICK
"""Nanoseconds that a process may seem younger than its own record: audit stamps come from the
coarse clock (a jiffy, 10 ms at HZ=100), cut to milliseconds."""

STAT_MAX = 4096
_STARTTIME = 19
"""Index of ``starttime`` after the comm (proc(5))."""


def start_time(pid: int, before: int, proc: Path = Path("/proc")) -> int | None:
    """Return a process's start in ns since boot, rounded down to 10 ms.

    None when it has ended, or when the process that now has the pid started after ``before`` (the
    record's time, ns since boot): then the pid was used again.
    """
    try:
        with (proc / str(pid) / "stat").open("rb") as file:
            stat = file.read(STAT_MAX)
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    try:
        started = int(fields[_STARTTIME]) * NS_PER_TICK
    except (IndexError, ValueError):
        return None
    return started if started <= before + COARSE else None

"""Which processes are engines: of all processes of the node, or of those that can have become one.

A look at all reads a line of procfs for each process, and on a node at work sockets are looked for
several times a second. So a look at the *latest* takes up the engines that are known and the
processes that were made since ``YOUNG`` before the look ahead of it: a process executes an engine
right after it was made. Every ``WHOLE_EVERY`` seconds it takes all. For an engine whose execve the
probes report, its caller asks for all.

The kernel gives pids out in rising order, and names the last one in ``/proc/loadavg`` (proc(5)).
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from sensor.sources.engines import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PROCESSES_MAX = 100_000
"""Processes looked at in one scan."""

COMM_BYTES = 15
"""What the kernel keeps of a program's name (TASK_COMM_LEN less the NUL)."""

YOUNG = 5.0
"""Seconds in which a process that was made may still execute an engine unnoticed."""

WHOLE_EVERY = 10.0
"""Seconds after which all processes are looked at again: for so long a process can hide that was
older than ``YOUNG`` when it executed an engine, and whose execve the probes held back."""

LOADAVG_FIELDS = 5

Engine = tuple[int, str]
"""A pid, and the name that matched."""


class EngineProcesses:
    """Finds engines and remembers them; from any thread."""

    def __init__(self, programs: frozenset[str], proc: Path, clock: Callable[[], float]) -> None:
        """``programs`` are names as in ``probes/watched.toml``; ``clock`` gives seconds."""
        self._programs = programs | known.SERVICE_PROGRAMS
        self._proc = proc
        self._clock = clock
        self._known: tuple[Engine, ...] = ()
        self._whole_at = -math.inf
        self._marks: deque[tuple[float, int]] = deque()
        """When the latest looks were, with the last pid of then; the first is ``YOUNG`` old."""
        self._lock = threading.Lock()
        self._numbered = _is_own(proc)

    def all(self) -> tuple[Engine, ...]:
        """Look at all processes."""
        with self._lock:
            self._look(None)
            return self._known

    def latest(self) -> tuple[Engine, ...]:
        """Look at what can have changed since the last time."""
        with self._lock:
            since = self._marks[0][1] if self._marks else None
            if self._clock() - self._whole_at >= WHOLE_EVERY:
                since = None
            self._look(since)
            return self._known

    def _look(self, since: int | None) -> None:
        """Look at the known and at pids beyond ``since``; at all for None, and after a wrap."""
        now, last = self._clock(), _last_pid(self._proc) if self._numbered else None
        if last is None or since is None or last < since:
            self._known = tuple(engines_among(pids(self._proc), self._programs, self._proc))
            self._whole_at = now
            self._marks.clear()
        else:
            young = [pid for pid in pids(self._proc) if pid > since]
            old = [pid for pid, _ in self._known if pid <= since]
            self._known = tuple(engines_among([*old, *young], self._programs, self._proc))
        if last is not None:
            self._marks.append((now, last))
            while len(self._marks) > 1 and self._marks[1][0] <= now - YOUNG:
                self._marks.popleft()


def pids(proc: Path) -> list[int]:
    """Return the pids of the processes there are, the lowest first."""
    found = [int(name) for name in os.listdir(proc) if name.isdigit()]  # noqa: PTH208 - Path costs thrice
    found.sort()
    return found


def engines_among(candidates: Iterable[int], programs: frozenset[str], proc: Path) -> list[Engine]:
    """Return those of some processes that bear an engine's name, in their order."""
    short = {program.encode()[:COMM_BYTES]: program for program in sorted(programs)}
    found: list[Engine] = []
    # Plain strings and descriptors: this touches every process of the node, and Path triples it.
    for count, pid in enumerate(candidates):
        if count >= PROCESSES_MAX:
            break
        directory = f"{proc}/{pid}"
        try:
            program = short.get(comm_in(directory))
            if program is None:
                exe = os.readlink(f"{directory}/exe")  # noqa: PTH115 - as above
                program = exe.rpartition("/")[2].removesuffix(" (deleted)")
        except OSError:
            continue
        if program in programs:
            found.append((pid, program))
    return found


def comm_in(directory: str) -> bytes:
    """Return the name that the kernel keeps of a process; raises OSError when it is gone."""
    descriptor = os.open(f"{directory}/comm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, COMM_BYTES + 1).rstrip(b"\n")
    finally:
        os.close(descriptor)


def _is_own(proc: Path) -> bool:
    """Whether a procfs numbers processes as this process's own pid namespace does."""
    try:
        return str((proc / "self").readlink()) == str(os.getpid())
    except OSError:
        return False


def _last_pid(proc: Path) -> int | None:
    """Return the pid that was given out last; None where the kernel does not say."""
    try:
        fields = (proc / "loadavg").read_bytes().split()
    except OSError:
        return None
    number = fields[-1] if len(fields) == LOADAVG_FIELDS else b""
    return int(number) if number.isdigit() else None

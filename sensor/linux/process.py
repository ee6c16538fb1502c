"""What procfs has of a process: ``/proc/PID/stat`` and ``/proc/PID/status`` (proc(5)).

The command name in ``stat`` may hold blanks and parentheses, since the process chooses it. So the
fields begin behind the last closing one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from sensor.model.process import NS_PER_TICK

STAT_MAX = 4096
STATUS_MAX = 64 * 1024
"""Bytes that are read of each; longer ones are damaged."""

_STATE, _PARENT, _SESSION, _FLAGS, _START, _VIRTUAL, _RESIDENT = 0, 1, 3, 6, 19, 20, 21
"""Places behind the command name: fields 3, 4, 6, 9, 22, 23 and 24 of proc(5)."""
_FORKED_ONLY = 0x40
"""PF_FORKNOEXEC (include/linux/sched.h): each fork sets it, each successful execve clears it."""
_UNSET = 0xFFFFFFFF
"""What is not set: AUDIT_UID_UNSET and AUDIT_SID_UNSET (include/uapi/linux/audit.h)."""
_NUMBER_MAX = 16
_PAGE = os.sysconf("SC_PAGE_SIZE")
_BOOT_TIME = re.compile(rb"^btime (\d+)", re.MULTILINE)
_UIDS = re.compile(rb"^Uid:\s+(\d+)\s+(\d+)", re.MULTILINE)
_PIDS = re.compile(rb"^NSpid:\s+([\d\s]+?)$", re.MULTILINE)
_CAPABILITIES = re.compile(rb"^CapEff:\s+([0-9a-f]+)$", re.MULTILINE)


class Stat(NamedTuple):
    """``start_time`` in ns since boot, rounded down to 10 ms."""

    comm: str
    state: str
    """``R``, ``S``, ``Z`` for a zombie, …."""
    parent: int
    session: int
    start_time: int
    executed: bool
    """It has called execve since it was forked."""


class MemoryUsage(NamedTuple):
    """What a process has of memory, in bytes."""

    virtual: int
    resident: int


class ProcessStatus(NamedTuple):
    """What ``status`` adds."""

    real_uid: int | None
    """Of a program with the setuid bit the user who called it."""
    effective_uid: int | None
    pids: tuple[int, ...]
    """In each pid namespace, the reader's first; empty where the kernel does not report it."""
    capabilities: int
    """The effective set."""


def parse_stat(data: bytes) -> Stat | None:
    """Read the text of ``stat``; None for what has another shape."""
    head, _, rest = data.rpartition(b")")
    _, opened, comm = head.partition(b"(")
    fields = rest.split()
    try:
        return (
            Stat(
                comm=comm.decode("utf-8", "surrogateescape"),
                state=fields[_STATE].decode("ascii"),
                parent=int(fields[_PARENT]),
                session=int(fields[_SESSION]),
                start_time=int(fields[_START]) * NS_PER_TICK,
                executed=not int(fields[_FLAGS]) & _FORKED_ONLY,
            )
            if opened
            else None
        )
    except (IndexError, ValueError):
        return None


def parse_status(data: bytes) -> ProcessStatus:
    """Read the text of ``status``; a line that is missing is unknown."""
    uids = _UIDS.search(data)
    pids, capabilities = _PIDS.search(data), _CAPABILITIES.search(data)
    return ProcessStatus(
        real_uid=int(uids[1]) if uids is not None else None,
        effective_uid=int(uids[2]) if uids is not None else None,
        pids=tuple(map(int, pids[1].split())) if pids is not None else (),
        capabilities=int(capabilities[1], 16) if capabilities is not None else 0,
    )


def stat_of(pid: int, proc: str | os.PathLike[str] = "/proc") -> Stat | None:
    """Return what ``stat`` has of a process; None when it is gone."""
    data = _read(f"{os.fspath(proc)}/{pid}/stat", STAT_MAX)
    return parse_stat(data) if data is not None else None


def status_of(pid: int, proc: str | os.PathLike[str] = "/proc") -> ProcessStatus | None:
    """Return what ``status`` has of a process; None when it is gone."""
    data = _read(f"{os.fspath(proc)}/{pid}/status", STATUS_MAX)
    return parse_status(data) if data is not None else None


def login_uid(pid: int, proc: str | os.PathLike[str] = "/proc") -> int | None:
    """Return whose login a process descends from; None without a login, or when it is gone."""
    return _set_number(f"{os.fspath(proc)}/{pid}/loginuid")


def login_session(pid: int, proc: str | os.PathLike[str] = "/proc") -> int | None:
    """Return the audit session of that login; None without a login, or when it is gone."""
    return _set_number(f"{os.fspath(proc)}/{pid}/sessionid")


def usage_of(pid: int, proc: str | os.PathLike[str] = "/proc") -> MemoryUsage | None:
    """Return what ``stat`` has of a process's memory; None when it is gone."""
    data = _read(f"{os.fspath(proc)}/{pid}/stat", STAT_MAX)
    fields = data.rpartition(b")")[2].split() if data is not None else []
    if len(fields) <= _RESIDENT:
        return None
    return MemoryUsage(int(fields[_VIRTUAL]), int(fields[_RESIDENT]) * _PAGE)


def awaits_execve(pid: int, stat: Stat, proc: str | os.PathLike[str] = "/proc") -> bool:
    """Whether a process still runs the program that forked it, as an init does before its start.

    A restored process never calls execve: its program lies in its own root, and its parent runs
    another one.
    """
    if stat.executed:
        return False
    base = Path(proc, str(pid))
    program = _inode(base / "exe")
    if program is None or program == _inode(Path(proc, str(stat.parent), "exe")):
        return True
    try:
        path = (base / "exe").readlink()
    except OSError:
        return True
    return program != _inode(Path(f"{base}/root/{path}"))


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def boot_time(proc: str | os.PathLike[str] = "/proc") -> int | None:
    """Return when the host booted, in seconds since the Unix epoch; None where it is unknown.

    The line stands behind one of each processor and the interrupts, which have no limit.
    """
    try:
        with Path(proc, "stat").open("rb") as file:
            found = next(filter(None, map(_BOOT_TIME.match, file)), None)
    except OSError:
        return None
    return int(found[1]) if found is not None else None


def _set_number(path: str) -> int | None:
    try:
        value = int(_read(path, _NUMBER_MAX) or b"")
    except ValueError:
        return None
    return None if value == _UNSET else value


def _read(path: str, limit: int) -> bytes | None:
    # A descriptor and no file object: a third of the time, and it is read for each start.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, limit)
    except OSError:
        return None
    finally:
        os.close(descriptor)

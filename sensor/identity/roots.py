"""Whose view of the file system a path belongs to: the host's, or that of one process.

A runtime in a mount namespace of its own (a nested engine, rootless Podman) names its bundle as it
sees it, so the path is resolved below ``/proc/PID/root``. A pid may be another process's by now:
its start time is compared before and after the directory is opened, and the descriptor then holds
on to the right root even if the process ends.
"""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.identity.files import Failure, failure_of
from sensor.linux.process import stat_of
from sensor.model.process import ProcessKey

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACES = ("pid", "network", "ipc", "uts", "cgroup", "user", "mount")
"""Namespaces by their OCI names (runtime-spec config-linux.md, "Namespaces")."""

_PROC_NAMES = {"network": "net", "mount": "mnt"}
"""The names in /proc/PID/ns (namespaces(7)) where they differ from the OCI's."""


_DELETED = " (deleted)"


def open_root(path: str) -> int | Failure:
    """Open the directory that stands for the host's root; close the descriptor after use."""
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return failure_of(error)


def open_process_root(proc: str, process: ProcessKey) -> int | Failure:
    """Open the root directory of a process, or say that the process is gone."""
    if not is_alive(proc, process):
        return Failure.PROCESS_GONE
    opened = open_root(f"{proc}/{process.pid}/root")
    if isinstance(opened, int) and not is_alive(proc, process):
        os.close(opened)
        return Failure.PROCESS_GONE
    return Failure.PROCESS_GONE if opened is Failure.MISSING else opened


def working_directory(proc: str, process: ProcessKey) -> str | Failure:
    """Return the process's working directory, as the process itself names it.

    The kernel writes the link relative to the reader's root where it can, and else relative to the
    root of the process's mount namespace (fs/d_path.c, ``prepend_path``): for a process whose root
    is its namespace's, that is its own name for it.
    """
    if not is_alive(proc, process):
        return Failure.PROCESS_GONE
    try:
        target = str(Path(f"{proc}/{process.pid}/cwd").readlink())
    except OSError as error:
        return failure_of(error)
    if not is_alive(proc, process):
        return Failure.PROCESS_GONE
    return target if target.startswith("/") else Failure.UNSAFE


def executable(proc: str, process: ProcessKey | None) -> str | None:
    """Return the path of a process's file; None for one that is gone, and for a deleted file."""
    if process is None:
        return None
    try:
        target = os.readlink(f"{proc}/{process.pid}/exe")
    except OSError:
        return None
    # A file that was replaced meanwhile ends in this (fs/d_path.c): its name proves nothing.
    if not target.startswith("/") or target.endswith(_DELETED) or not is_alive(proc, process):
        return None
    return target


def absolute(directory: str, path: str) -> str:
    """Join and normalise; ``..`` is resolved by name, as runtimes do (Go's filepath.Abs)."""
    return posixpath.normpath(posixpath.join(directory, path))


def is_alive(proc: str, process: ProcessKey) -> bool:
    """Return whether the pid still belongs to this very process."""
    stat = stat_of(process.pid, proc)
    return stat is not None and process.same(ProcessKey(process.pid, stat.start_time))


def namespace(proc: str, pid: int | None, name: str) -> int | None:
    """Return the inode of a process's namespace, by its OCI name; of this process for None."""
    try:
        return os.stat(_entry(proc, pid, name)).st_ino
    except OSError:
        return None


def host_namespace(proc: str, name: str) -> int | None:
    """Return the inode of the host's namespace: pid 1's, or this process's where that is hidden.

    Without CAP_SYS_PTRACE pid 1's cannot be read; an agent without it runs on the host itself.
    """
    return namespace(proc, 1, name) or namespace(proc, None, name)


def _entry(proc: str, pid: int | None, name: str) -> str:
    whose = "self" if pid is None else pid
    return f"{proc}/{whose}/ns/{_PROC_NAMES.get(name, name)}"


def _link(proc: str, pid: int | None, name: str) -> str | None:
    """Return a namespace as its link names it, ``user:[4026531837]``: half of what stat costs."""
    try:
        return os.readlink(_entry(proc, pid, name))
    except OSError:
        return None


@lru_cache(maxsize=len(NAMESPACES))
def _host_link(proc: str, name: str) -> str | None:
    """Return the host's, as in :func:`host_namespace`.

    Asked for once: pid 1 stays in the namespaces that it booted in.
    """
    return _link(proc, 1, name) or _link(proc, None, name)


def own_namespaces(proc: str, process: ProcessKey, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``names`` in which a process is not the host's; none if it is gone or hidden.

    A runtime is in the host's nearly always, and its namespaces alone show that. Whether it is
    still alive matters only for a namespace of its own, which may be that of a reused pid.
    """
    found: list[str] = []
    for name in names:
        own, hosts = _link(proc, process.pid, name), _host_link(proc, name)
        if own is None or hosts is None:
            return ()
        if own != hosts:
            found.append(name)
    return tuple(found) if found and is_alive(proc, process) else ()


def shared_namespaces(proc: str, process: ProcessKey) -> tuple[str, ...] | None:
    """Return the namespaces that a process shares with the host; None if it is gone or hidden."""
    shared: list[str] = []
    for name in NAMESPACES:
        own, hosts = _link(proc, process.pid, name), _host_link(proc, name)
        if own is None or hosts is None:
            return None
        if own == hosts:
            shared.append(name)
    return tuple(shared) if is_alive(proc, process) else None

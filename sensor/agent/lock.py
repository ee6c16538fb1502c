"""One agent a node: who holds the lock reads the probes.

flock(2) needs no right to write, so a descriptor that is open for reading is enough to hold the
lock. The file has mode 0600, in a directory that only root can change. A file that others could
open, as an earlier version left it, is replaced unless a process of root holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.errors import PermissionMissing, ProbesBusy
from sensor.linux.own_directory import stranger_in, trusted_users

LOCK_NAME = "lock"
LOCK_MODE = 0o600

_LOCKS = Path("/proc/locks")
_LOCKS_MAX = 8 << 20
"""Bytes of /proc/locks that are read."""
_FIELD_PID, _FIELD_FILE = 4, 5
"""Fields of a line of /proc/locks (proc(5)): ``1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE``."""

ATTEMPTS = 3
"""Attempts while the file is replaced at the same moment."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The process that locked the file; None in ``pid`` where procfs does not show it."""

    pid: int | None
    uid: int | None = None
    comm: str | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return "an unknown process"
        name = f" ({self.comm})" if self.comm else ""
        return f"pid {self.pid}{name}" + (f" of uid {self.uid}" if self.uid else "")


def hold_node(run_dir: Path, state_dir: Path) -> int:
    """Hold the node, and make sure that only the agent can change its state. See lock_node."""
    held = lock_node(run_dir)
    try:
        # What the store finds wrong with the directory it reports better.
        with contextlib.suppress(OSError):
            make_own_directory(state_dir, 0o750)
    except BaseException:
        os.close(held)
        raise
    return held


def lock_node(run_dir: Path) -> int:
    """Hold the node: one agent reads the rings. Returns the lock's descriptor.

    Raises :class:`ProbesBusy` naming the holder, and :class:`PermissionMissing` for a directory
    that this process may not write or that others may.
    """
    try:
        make_own_directory(run_dir, 0o755)
        for _ in range(ATTEMPTS):
            descriptor = _try(run_dir / LOCK_NAME)
            if descriptor is not None:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
    except PermissionError as error:
        problem = f"may not write {run_dir}"
        raise PermissionMissing(problem, "Run as root, or give --run-dir.") from error
    problem = f"{run_dir / LOCK_NAME} is replaced again and again"
    raise ProbesBusy(problem, "Stop what replaces it.")


def make_own_directory(directory: Path, mode: int) -> None:
    """Make a directory if it is missing; raise PermissionMissing if others could change it."""
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    stranger = stranger_in(directory)
    if stranger is not None:
        problem = f"{directory} is not safe: {stranger.path} {stranger.reason}"
        fix = "Have root own it and remove the others' right to write, or name another directory."
        raise PermissionMissing(problem, fix)


def holder_of(path: Path) -> LockHolder | None:
    """Return the process that holds the lock on a file, None if there is none.

    Raises OSError where the file or /proc/locks cannot be read.
    """
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with _LOCKS.open("rb") as file:
        lines = file.read(_LOCKS_MAX).decode("ascii", "replace").splitlines()
    for line in lines:
        fields = line.split()
        waits = len(fields) > 1 and fields[1] == "->"
        if waits or len(fields) <= _FIELD_FILE or fields[1] != "FLOCK":
            continue
        if fields[_FIELD_FILE] == device:
            return _process(int(fields[_FIELD_PID]))
    return None


def _process(pid: int) -> LockHolder:
    """Describe a process; the kernel writes pid 0 or -1 for one of another pid namespace."""
    if pid <= 0:
        return LockHolder(None)
    base = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        comm = (base / "comm").read_text("utf-8", "backslashreplace").strip()
        return LockHolder(pid, base.stat().st_uid, comm)
    return LockHolder(pid)


def _try(path: Path) -> int | None:
    """Open and lock the file; None if it has to be opened again. Raises ProbesBusy."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    users = trusted_users()
    try:
        descriptor = os.open(path, flags, LOCK_MODE)
    except PermissionError:
        # The file of an agent of another user: root's, before a package came.
        _replace(path, users)
        return None
    try:
        status = os.fstat(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _replace(path, users)
            return None
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in users:
            # Another user may have it open already, and could lock it when this agent ends.
            path.unlink()
            return None
        if not os.path.samestat(status, path.stat(follow_symlinks=False)):
            return None
        kept, descriptor = descriptor, -1
        return kept
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _opener(path: Path) -> LockHolder | None:
    """Return a process that has the file open: one of root's if there is any."""
    wanted = path.stat()
    found: LockHolder | None = None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if any(os.path.samestat(one.stat(), wanted) for one in (entry / "fd").iterdir()):
                found = _process(int(entry.name))
                if found.uid in trusted_users():
                    return found
    return found


def _replace(path: Path, users: frozenset[int]) -> None:
    """Remove a file that no agent holds; raise ProbesBusy if an agent holds it."""
    holder = holder_of(path)
    if holder is not None and holder.pid is not None and holder.uid is None:
        # It has ended, and left the lock to those that inherited the descriptor.
        holder = _opener(path) or holder
    stranger = holder is not None and holder.uid is not None and holder.uid not in users
    if holder is None and os.access(path, os.W_OK):
        # Released meanwhile, or held by a process that procfs does not show.
        holder = LockHolder(None)
    if stranger or holder is None:
        path.unlink()
        return
    problem = f"another agent ({holder}) reads the probes of this node"
    raise ProbesBusy(problem, "Stop it first: systemctl stop castoff, or its DaemonSet.")

"""The listening socket: made here, or handed over by systemd.

The file is made under another name, given its mode and group, and renamed: a client never meets a
socket that does not answer yet or that lets too many in. A socket that systemd made (LISTEN_FDS,
sd_listen_fds(3)) is used as it is, with its mode and group, and its file is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import logging
import os
import socket
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ProbesBusy, StateUnusable

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

GROUP = "castoff"
MODE = 0o660
BACKLOG = 128
PROBE_SECONDS = 1.0
"""How long an agent that already sits on the socket may take to accept."""
FIRST_FD = 3
"""Where systemd's descriptors begin (SD_LISTEN_FDS_START)."""
FDS_MAX = 64
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

log = logging.getLogger("castoff.control")


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens. ``gid`` may use it beside root; ``inode`` is set when it is ours."""

    socket: socket.socket
    gid: int | None
    path: Path
    inode: tuple[int, int] | None

    def remove(self) -> None:
        """Remove the socket's file if it is still the one that was made here."""
        with contextlib.suppress(FileNotFoundError):
            if self.inode is not None and self.inode == _inode(self.path):
                self.path.unlink()


def listen(path: Path, group: str | None, environment: MutableMapping[str, str]) -> Listener:
    """Take over systemd's socket for ``path``, or make one.

    :raises ProbesBusy: another agent answers on it.
    :raises StateUnusable: it cannot be made there.
    """
    given = _given(path, environment)
    if given is not None:
        gid = path.stat().st_gid
        return Listener(given, gid if path.stat().st_mode & stat.S_IRGRP else None, path, None)
    return _make(path, group)


def _given(path: Path, environment: MutableMapping[str, str]) -> socket.socket | None:
    """Return the socket at ``path`` among those that systemd handed to this process."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environment.get("LISTEN_FDS", "")
    # Children must not take the descriptors for theirs.
    for name in _VARIABLES:
        environment.pop(name, None)
    if not count.isdecimal():
        return None
    for descriptor in range(FIRST_FD, FIRST_FD + min(int(count), FDS_MAX)):
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            mode = os.fstat(descriptor).st_mode
        except OSError as error:
            log.warning("LISTEN_FDS names descriptor %d: %s", descriptor, error.strerror)
            continue
        if not stat.S_ISSOCK(mode):
            continue
        candidate = socket.socket(fileno=descriptor)
        if candidate.family == socket.AF_UNIX and candidate.getsockname() == str(path):
            candidate.settimeout(0.0)
            return candidate
        candidate.detach()
    return None


def _make(path: Path, group: str | None) -> Listener:
    _refuse_occupied(path)
    # Short, since a socket's path has 107 bytes at most (unix(7)).
    making = path.with_name(f".{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        making.unlink(missing_ok=True)
        listener.bind(str(making))
        gid = _hand_to_group(making, group)
        making.chmod(MODE)
        listener.listen(BACKLOG)
        inode = _inode(making)
        making.rename(path)
    except OSError as error:
        listener.close()
        raise StateUnusable(
            f"{path}: cannot make the socket: {error.strerror or error}",
            "Name a writable directory with --socket, or run as root.",
        ) from error
    return Listener(listener, gid, path, inode)


def _hand_to_group(path: Path, group: str | None) -> int | None:
    """Give the socket to the group; return its gid, or None where root keeps it."""
    if group is None:
        return None
    try:
        gid = grp.getgrnam(group).gr_gid
        # An agent of that group needs no chown(2), which a service's system call filter refuses.
        if path.lstat().st_gid != gid:
            os.chown(path, -1, gid, follow_symlinks=False)
    except KeyError:
        log.info("no group %s on this host: the socket is for root alone", group)
        return None
    except PermissionError:
        log.warning("may not give the socket to group %s", group)
        return None
    return gid


def regrouped(listener: Listener, group: str | None) -> Listener:
    """Give a socket that was made here to another group; root keeps it where there is none."""
    if listener.inode is None:
        log.warning("%s: systemd made the socket, its unit names the group", listener.path)
        return listener
    try:
        if _inode(listener.path) != listener.inode:
            log.warning("%s: the socket was replaced; its group stays as it is", listener.path)
            return listener
        gid = _hand_to_group(listener.path, group)
        if gid is None:
            os.chown(listener.path, -1, os.getegid(), follow_symlinks=False)
    except OSError as error:
        log.warning("%s: its group stays: %s", listener.path, error.strerror)
        return listener
    return replace(listener, gid=gid)


def _inode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _refuse_occupied(path: Path) -> None:
    """Make sure that the path is free, or holds a socket on which no process listens."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise StateUnusable(
            f"{path}: exists and is not a socket", "Remove it, or name another path."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except TimeoutError:
            pass
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                return
            raise StateUnusable(f"{path}: {error.strerror}", "Name another path.") from error
    raise ProbesBusy(
        f"another agent answers on {path}", "Stop it first, or name another path with --socket."
    )

"""Directories in which only root, or the agent's user, can create, rename or remove."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_USER = "castoff"
"""The account that a package runs the agent as."""

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Stranger:
    """Why a directory is not this user's alone."""

    path: Path
    reason: str


def trusted_users() -> frozenset[int]:
    """Return the uids whose files the agent relies on: root, its own, the service's account."""
    users = {0, os.geteuid()}
    with contextlib.suppress(KeyError):
        users.add(pwd.getpwnam(SERVICE_USER).pw_uid)
    return frozenset(users)


def stranger_in(path: Path) -> Stranger | None:
    """Return the first component of an existing path that another user could replace or fill.

    A directory with the sticky bit, as ``/tmp``, is passed: only the owner of an entry can rename
    it there. Group 0 counts as root. The last component may have no sticky bit: others could add
    files to it. Raises OSError for a path that does not exist.
    """
    owners = trusted_users()
    resolved = path.resolve(strict=True)
    for directory in (*reversed(resolved.parents), resolved):
        status = directory.lstat()
        if status.st_uid not in owners:
            return Stranger(directory, f"belongs to uid {status.st_uid}")
        open_to = status.st_mode & _WRITABLE_BY_OTHERS
        if status.st_gid == 0:
            open_to &= ~stat.S_IWGRP
        sticky = status.st_mode & stat.S_ISVTX and directory != resolved
        if open_to and not sticky:
            return Stranger(directory, f"others may write it (mode {status.st_mode & 0o7777:04o})")
    return None

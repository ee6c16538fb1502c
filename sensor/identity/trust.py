"""Which directories may speak of a container: those that only its owner or root can change.

A path counts when every component from the root down belongs to root or to the container's own user
and no other user may write it. For a user's container, that user has to be able to open it. The
walk holds a descriptor of each directory and checks that, so a rename in between changes nothing. A
symlink counts as its owner's word and is followed in the same way. A directory with the sticky bit
is passed, since each entry in it has an owner as well.

What was found of a directory's parents on the host is remembered: only root and the owner could
have changed it since.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from sensor.identity.files import Failure, failure_of
from sensor.linux.openat2 import how, openat2

if TYPE_CHECKING:
    from collections.abc import Iterable

REMEMBERED_FOR = 10.0
"""Seconds for which the parents of a directory count without another walk."""

REMEMBERED_MAX = 256
"""Directories of which this is remembered; the oldest goes first."""

LINKS_MAX = 40
"""Symlinks in one path (path_resolution(7): MAXSYMLINKS)."""

DEPTH_MAX = 128
"""Components of one path."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WHOLE = how(os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY)

USERS_REMEMBERED = 256

Owners = frozenset[int]
"""Uids whose files are believed."""


def owners_of(uid: int | None) -> Owners:
    """Return who may speak of the containers of a user; None is root alone."""
    return _owners(uid, os.geteuid())


@lru_cache(USERS_REMEMBERED)
def _owners(uid: int | None, own: int) -> Owners:
    return frozenset({0, own} if uid is None else {0, own, uid})


def may_speak(status: os.stat_result, owners: Owners) -> bool:
    """Return whether a file is theirs alone, and a container's user can open it.

    Any user may call a container as one of root's is called, and name that one's bundle: what only
    root can open is about root's.
    """
    if not is_owned(status, owners):
        return False
    users = owners - {0, os.geteuid()}
    if not users or status.st_uid in users:
        return True
    needed = stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else stat.S_IROTH
    return bool(status.st_mode & needed)


def is_owned(status: os.stat_result, owners: Owners) -> bool:
    """Return whether a file is theirs and only they can write it. Group 0 is root's own."""
    if status.st_uid not in owners:
        return False
    writable = status.st_mode & _OTHERS_WRITE
    if not writable:
        return True
    if status.st_gid == 0:
        writable &= ~stat.S_IWGRP
    return not writable or bool(stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX)


class TrustedDirectories:
    """Opens directories that only their owners can change. Any number of threads may use it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, Owners], float] = OrderedDict()

    def open(self, root: int, path: str, owners: Owners, *, host: bool) -> int | Failure:
        """Return a descriptor (O_PATH) of the directory at ``path`` below ``root``; close it.

        ``host`` says that ``root`` is the host's, where verdicts are remembered. Never raises.
        """
        try:
            raw = path.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return Failure.UNSAFE
        if b"\0" in raw:
            return Failure.UNSAFE
        key = (path.rpartition("/")[0], owners)
        if host and self._known.get(key, 0.0) > monotonic():
            opened, code = openat2(root, raw, _WHOLE)
            if opened >= 0:
                return _checked(opened, owners)
            if code == errno.ENOENT:
                return Failure.MISSING
        found = _walk(root, raw, owners)
        if host and not isinstance(found, Failure):
            self._remember(key)
        return found

    def _remember(self, key: tuple[str, Owners]) -> None:
        self._known[key] = monotonic() + REMEMBERED_FOR
        while len(self._known) > REMEMBERED_MAX:
            try:
                self._known.popitem(last=False)
            except KeyError:
                return


def _checked(opened: int, owners: Owners) -> int | Failure:
    """Return the descriptor of a directory that is theirs; close that of any other."""
    if may_speak(os.fstat(opened), owners):
        return opened
    os.close(opened)
    return Failure.UNTRUSTED


def _walk(root: int, raw: bytes, owners: Owners) -> int | Failure:
    walk = _Walk(root, owners)
    try:
        return walk.down(raw)
    except OSError as error:
        return failure_of(error)
    finally:
        walk.back_to(0)


class _Walk:
    """Opens a path component by component, with a descriptor of each directory on the way."""

    def __init__(self, root: int, owners: Owners) -> None:
        self._root = root
        self._owners = owners
        self._stack: list[int] = []
        self._ahead: list[bytes] = []
        self._links = 0

    def down(self, raw: bytes) -> int | Failure:
        """Return a descriptor of the directory at the path's end, or why there is none."""
        if not is_owned(os.fstat(self._root), self._owners):
            return Failure.UNTRUSTED
        self._ahead = _reversed_steps(raw)
        while self._ahead:
            failure = self._step(self._ahead.pop())
            if failure is not None:
                return failure
        return self._stack.pop() if self._stack else os.dup(self._root)

    def back_to(self, depth: int) -> None:
        """Close all directories below the first ``depth``."""
        while len(self._stack) > depth:
            os.close(self._stack.pop())

    def _step(self, name: bytes) -> Failure | None:
        if name == b"..":
            self.back_to(max(0, len(self._stack) - 1))
            return None
        if len(self._stack) >= DEPTH_MAX:
            return Failure.UNSAFE
        opened = os.open(name, _STEP, dir_fd=self._stack[-1] if self._stack else self._root)
        self._stack.append(opened)
        status = os.fstat(opened)
        if stat.S_ISLNK(status.st_mode):
            return self._follow(opened, status)
        if not stat.S_ISDIR(status.st_mode):
            return Failure.MISSING
        return None if may_speak(status, self._owners) else Failure.UNTRUSTED

    def _follow(self, link: int, status: os.stat_result) -> Failure | None:
        if status.st_uid not in self._owners:
            return Failure.UNTRUSTED
        self._links += 1
        if self._links > LINKS_MAX:
            return Failure.SYMLINK
        target = os.readlink(b"", dir_fd=link)
        self.back_to(0 if target.startswith(b"/") else len(self._stack) - 1)
        self._ahead += _reversed_steps(target)
        return None


def _reversed_steps(path: bytes) -> list[bytes]:
    steps: Iterable[bytes] = path.split(b"/")
    return [step for step in steps if step not in (b"", b".")][::-1]

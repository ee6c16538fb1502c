"""A look-up step by step, for paths whose symlinks the kernel does not follow from its cache.

overlayfs, where most containers live, cannot follow a symlink without leaving the kernel's
lock-free walk (``ovl_get_link`` of fs/overlayfs/inode.c), so ``RESOLVE_CACHED`` fails at
``/var/run/docker.sock``. Here each component is taken from the cache by itself, and a symlink is
read only where its file system answers from the node's own memory and disks, by the mount's type
in /proc/PID/mountinfo. (An overlay whose lower layer is FUSE would still wait for its server:
callers keep a deadline.)
"""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import ExitStack

from sensor.linux import inode
from sensor.linux.inode import Inode, Miss

STEPS_MAX = 128
"""Components taken, those of symlinks included."""

LINKS_MAX = 40
"""Symlinks followed (MAXSYMLINKS of Linux)."""

MOUNTS_BYTES_MAX = 4 << 20
"""Bytes of /proc/PID/mountinfo that are read; a line has about 150."""

LOCAL = frozenset(
    b"bcachefs btrfs devtmpfs erofs ext2 ext3 ext4 f2fs "
    b"overlay ramfs rootfs squashfs tmpfs xfs zfs".split()
)
"""File systems that wait only for the kernel, except overlay on one that does not."""


def look_up(process: int, directory: int, path: str) -> Inode | Miss:
    """Return the inode at ``path`` as the process sees it; ``directory`` as for ``inode.look_up``.

    ``process`` is its /proc/PID, opened.
    """
    found = inode.look_up(directory, path)
    if found is not Miss.UNCACHED or not path.startswith("/"):
        return found
    with ExitStack() as opened:
        return _Walk(process, directory, opened).along(path)


class _Walk:
    """One look-up from ``root`` on; ``opened`` closes what it opens."""

    def __init__(self, process: int, root: int, opened: ExitStack) -> None:
        self._process = process
        self._opened = opened
        self._places = [root]
        self._ahead: deque[bytes] = deque()
        self._links = 0

    def along(self, path: str) -> Inode | Miss:
        self._ahead.extend(path.encode("utf-8", "surrogateescape").split(b"/"))
        found = inode.inode_of(self._places[0])
        for _ in range(STEPS_MAX):
            if not self._ahead or isinstance(found, Miss):
                return found
            step = self._ahead.popleft()
            if step == b"..":
                del self._places[max(1, len(self._places) - 1) :]
                found = inode.inode_of(self._places[-1])
            elif step not in (b"", b"."):
                found = self._take(step)
        return Miss.UNSAFE

    def _take(self, step: bytes) -> Inode | Miss:
        """Go to one entry of the current directory; a symlink there lengthens the way ahead."""
        place = inode.open_step(self._places[-1], step)
        if isinstance(place, Miss):
            return place
        self._opened.callback(os.close, place)
        found = inode.inode_of(place)
        if isinstance(found, Miss) or not stat.S_ISLNK(found.mode):
            self._places.append(place)
            return found
        self._links += 1
        if self._links > LINKS_MAX:
            return Miss.UNSAFE
        if _type_of(self._process, found.mount) not in LOCAL:
            return Miss.UNCACHED
        try:
            target = os.readlink(b"", dir_fd=place)
        except OSError:
            return Miss.IO_ERROR
        if target.startswith(b"/"):
            del self._places[1:]
        self._ahead.extendleft(reversed(target.split(b"/")))
        return inode.inode_of(self._places[-1])


def _type_of(process: int, mount: int) -> bytes | None:
    """Return a mount's file system: ``ID … - type source options`` a line (proc(5))."""
    wanted = b"%d" % mount
    try:
        descriptor = os.open("mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
        with os.fdopen(descriptor, "rb") as file:
            for line in file.read(MOUNTS_BYTES_MAX).split(b"\n"):
                if line.partition(b" ")[0] == wanted:
                    return line.partition(b" - ")[2].partition(b" ")[0]
    except OSError:
        return None
    return None

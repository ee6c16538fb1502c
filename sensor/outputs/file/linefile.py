"""A file of lines that is appended to, rotated, and never left with half a line in it.

- A batch is written and synced as a whole, or cut off again. What a crash left of a line is cut off
  when the file is opened: the batch was not acknowledged and comes again.
- ``path`` becomes ``path.1`` and that ``path.2`` when the file would grow beyond ``max_bytes``, or
  when it was last written in an earlier period; ``keep`` of them are kept. Periods are counted from
  midnight UTC, so that a restart changes nothing.
- A file that was moved away (logrotate) is closed before the next batch.
- It has to be a regular file, held with flock(2): who else writes to it would be cut off, too.

Blocking; belongs to one thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import time
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from pathlib import Path

TORN_MAX = 4 << 20
"""Bytes without a newline at the end of a file that are taken for a torn line, and cut off. More is
no line of ours: it is ended with a newline and stays."""

_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is put away: ``max_bytes`` and ``seconds`` of a period, 0 for no such limit."""

    max_bytes: int
    seconds: float
    keep: int


class LineFile:
    """The file at ``path``, opened when the first batch is written."""

    def __init__(self, path: Path, rotation: Rotation, mode: int, *, links: bool) -> None:
        """``links`` lets ``path`` be a symbolic link; it is not followed otherwise."""
        self._path = path
        self._rotation = rotation
        self._mode = mode
        self._links = links
        self._descriptor: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._descriptor is not None

    def append(self, lines: bytes) -> None:
        """Write whole lines and sync them; raises OSError, and then nothing of them is there."""
        descriptor = self._current()
        found = os.fstat(descriptor)
        if found.st_size and self._is_due(found, len(lines)):
            self._rotate()
            descriptor = self._current()
            found = os.fstat(descriptor)
        written = 0
        try:
            with memoryview(lines) as view:
                while written < len(lines):
                    written += os.write(descriptor, view[written:])
            os.fdatasync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                if os.fstat(descriptor).st_size == found.st_size + written:
                    os.ftruncate(descriptor, found.st_size)
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next batch opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _current(self) -> int:
        """Return the descriptor of what is at the path now."""
        if self._descriptor is not None:
            found = os.fstat(self._descriptor)
            try:
                there = self._path.stat() if self._links else self._path.lstat()
            except FileNotFoundError:
                there = None
            if there is not None and os.path.samestat(there, found):
                return self._descriptor
            self.close()
        self._descriptor = self._open()
        return self._descriptor

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        descriptor = os.open(
            self._path, flags if self._links else flags | os.O_NOFOLLOW, self._mode
        )
        try:
            found = os.fstat(descriptor)
            _refuse_special(found)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if found.st_size == 0:
                # Not what the umask leaves of it.
                os.fchmod(descriptor, self._mode)
                self._sync_directory()
            _heal(descriptor, found.st_size)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _is_due(self, found: os.stat_result, more: int) -> bool:
        rotation = self._rotation
        if rotation.max_bytes and found.st_size + more > rotation.max_bytes:
            return True
        period = rotation.seconds
        return bool(period) and found.st_mtime // period < time.time() // period

    def _rotate(self) -> None:
        path, keep = self._path, self._rotation.keep
        names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
        for newer, older in reversed(list(itertools.pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                newer.rename(older)
        if not keep:
            path.unlink(missing_ok=True)
        self._sync_directory()
        self.close()

    def _sync_directory(self) -> None:
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _refuse_special(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")


def _heal(descriptor: int, size: int) -> None:
    """Cut off what comes after the last newline."""
    end = size
    while end > 0 and size - end <= TORN_MAX:
        begin = max(0, end - _STEP)
        newline = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if size - end > TORN_MAX:
        os.write(descriptor, b"\n")
    elif end < size:
        os.ftruncate(descriptor, end)

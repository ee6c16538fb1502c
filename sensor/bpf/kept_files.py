"""The directory of root's where compiled programs are kept between boots.

What lies there decides what runs in the kernel. A file counts when it and each directory above it
belong to root and no other user may write them; none is a symlink. A directory above may have the
sticky bit instead, since each entry in it has an owner. The walk holds a descriptor of each
directory, so a rename in between changes nothing.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from sensor.bpf.kept_programs import SIZE_MAX
from sensor.dataclass import dataclass

DIRECTORY = Path("/var/cache/castoff")

KEPT_MAX = 3
"""Files: of this version, of the one before it, and of another kernel."""

KEY_DIGITS = 16
"""Digits of the key in a file's name."""

_PREFIX = "probes-"
_NEW = ".new-"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Untrusted(OSError):
    """A file or directory that another user could have written."""


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The files of one directory; ``owner`` is root but for a test."""

    directory: Path = DIRECTORY
    owner: int = 0

    def has(self, key: str) -> bool:
        """Return whether there is such a file, or something in its place."""
        return os.path.lexists(self.path(key))

    def path(self, key: str) -> Path:
        """Return where a key's programs lie, or would lie."""
        return self.directory / _name(key)

    def read(self, key: str) -> bytes:
        """Return a file's content. Raises FileNotFoundError without it, and OSError."""
        path = self.path(key)
        directory = self._open()
        try:
            file = _opened(path, _READ, directory)
        finally:
            os.close(directory)
        with os.fdopen(file, "rb") as stream:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise Untrusted(f"{path} is not a regular file")
            self._check(found, path, above=False)
            content = stream.read(SIZE_MAX + 1)
            if len(content) > SIZE_MAX:
                raise Untrusted(f"{path} is larger than {SIZE_MAX} bytes")
            # What is used is the newest: that is what stays.
            with suppress(OSError):
                os.utime(file)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Put a file there, whole or not at all, and remove the oldest ones. Raises OSError."""
        with suppress(FileExistsError):
            self.directory.mkdir(mode=0o700)
        directory = self._open()
        try:
            self._remove_unfinished(directory)
            new = f"{_NEW}{os.getpid()}"
            with os.fdopen(os.open(new, _WRITE, 0o600, dir_fd=directory), "wb") as stream:
                try:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                    os.rename(new, _name(key), src_dir_fd=directory, dst_dir_fd=directory)
                except OSError:
                    os.unlink(new, dir_fd=directory)
                    raise
            os.fsync(directory)
            self._remove_oldest(directory)
        finally:
            os.close(directory)

    def _open(self) -> int:
        """Return a descriptor of the directory; the caller closes it."""
        current = os.open("/", _STEP)
        above = list(self.directory.parents)[-2::-1]
        for path in (*above, self.directory):
            is_last = path == self.directory
            try:
                below = _opened(path, _LIST if is_last else _STEP, current)
            finally:
                os.close(current)
            current = below
            try:
                self._check(os.fstat(current), path, above=not is_last)
            except OSError:
                os.close(current)
                raise
        return current

    def _check(self, found: os.stat_result, path: Path, *, above: bool) -> None:
        if found.st_uid not in ({0, self.owner} if above else {self.owner}):
            raise Untrusted(f"{path} belongs to uid {found.st_uid}")
        is_sticky = above and found.st_mode & stat.S_ISVTX
        if found.st_mode & _OTHERS_WRITE and not is_sticky:
            raise Untrusted(f"other users may write {path}")

    @staticmethod
    def _remove_unfinished(directory: int) -> None:
        """Remove what a process that was killed left."""
        for name in os.listdir(directory):
            if name.startswith(_NEW) and not Path("/proc", name.removeprefix(_NEW)).exists():
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)

    @staticmethod
    def _remove_oldest(directory: int) -> None:
        names = [name for name in os.listdir(directory) if name.startswith(_PREFIX)]
        ages = []
        for name in names:
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                ages.append((found.st_mtime_ns, name))
        for _, name in sorted(ages)[:-KEPT_MAX]:
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)


def reason(error: Exception) -> str:
    """Return what went wrong, for a person."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return str(error)


def _opened(path: Path, flags: int, directory: int) -> int:
    """Open what is in a directory; an error names its whole path."""
    try:
        return os.open(path.name, flags, dir_fd=directory)
    except OSError as error:
        error.filename = str(path)
        raise


def _name(key: str) -> str:
    return f"{_PREFIX}{key[:KEY_DIGITS]}"

"""The only way in which this package opens a foreign file.

What lies below a container's bundle belongs to the user who started it, so every path is hostile:

- paths are resolved inside a root directory (openat2(2), ``RESOLVE_IN_ROOT``), so neither ``..``
  nor an absolute symlink leaves it, and no magic link of procfs is followed;
- the last component is first opened with ``O_PATH``: a FIFO, a device or a socket is recognised
  without being opened, which could block or have an effect of its own;
- the size is bounded twice: by fstat, and while reading, because a file may grow.

A kernel before 5.6, or a seccomp filter that does not know openat2, gets a plain openat: that is
sound for the host's own root only, so below any other root a symlink is then refused.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import StrEnum, unique
from typing import TYPE_CHECKING, NamedTuple

from sensor.linux.openat2 import OpenHow, how
from sensor.linux.openat2 import openat2 as _openat2

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FILE_BYTES = 1 << 20
"""Largest file that is read where the caller names no other limit: 1 MiB."""

MAX_PATH_BYTES = 4096
"""PATH_MAX of Linux: the kernel takes no longer path in one call."""

MAX_NAMES = 4096
"""Most directory entries that :func:`names` looks at."""

MAX_RETRIES = 4
"""How often a resolution that raced with a rename is tried again (openat2(2), EAGAIN)."""

_CHUNK = 1 << 16


@unique
class Failure(StrEnum):
    """Why something could not be read; the second half of an entry of ``Description.problems``."""

    MISSING = "missing"
    DENIED = "denied"
    NOT_REGULAR = "not_regular"
    SYMLINK = "symlink"
    TOO_LARGE = "too_large"
    CUT = "cut"
    """It was read, but for its largest members."""
    MALFORMED = "malformed"
    TOO_DEEP = "too_deep"
    TOO_MANY_VALUES = "too_many_values"
    WRONG_TYPE = "wrong_type"
    UNSAFE = "unsafe"
    """A path or an id that must not be used to build a path."""
    PROCESS_GONE = "process_gone"
    """The process whose view of the files was wanted has ended, or its pid is another's now."""
    UNTRUSTED = "untrusted"
    """Another user than root or the container's own could have written it."""
    IO_ERROR = "io_error"


_BY_ERRNO = {
    errno.ENOENT: Failure.MISSING,
    errno.ENOTDIR: Failure.MISSING,
    errno.EACCES: Failure.DENIED,
    errno.EPERM: Failure.DENIED,
    errno.ELOOP: Failure.SYMLINK,
    errno.EXDEV: Failure.SYMLINK,
    errno.ENXIO: Failure.NOT_REGULAR,
    errno.ENAMETOOLONG: Failure.UNSAFE,
}


_NO_LINK = frozenset({errno.EINVAL, errno.ENOENT})
"""What readlinkat(2) says of a descriptor that is of no symbolic link."""

_FILE = how(os.O_PATH | os.O_NOFOLLOW)
_DIRECTORY = how(os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
_TRUSTED = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_REOPENED = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def failure_of(error: OSError) -> Failure:
    """Name the reason of an OSError."""
    return _BY_ERRNO.get(error.errno or 0, Failure.IO_ERROR)


def read_trusted(
    directory: int, name: str, limit: int, is_trusted: Callable[[os.stat_result], bool]
) -> bytes | Failure:
    """Return the whole regular file ``name`` in a directory that only its owners can change.

    ``is_trusted`` decides by the file's owner and mode whether it counts too. Only root could have
    put a device here; a FIFO is opened without waiting and not read. Never raises.
    """
    try:
        descriptor = os.open(name, _TRUSTED, dir_fd=directory)
    except OSError as error:
        return failure_of(error)
    except ValueError:
        return Failure.UNSAFE
    try:
        status = os.fstat(descriptor)
        if status.st_size > limit or not stat.S_ISREG(status.st_mode):
            return _refusal(status)
        if not is_trusted(status):
            return Failure.UNTRUSTED
        return _read_all(descriptor, status.st_size, limit)
    except OSError as error:
        return failure_of(error)
    finally:
        os.close(descriptor)


def read(
    root: int,
    path: str,
    limit: int = MAX_FILE_BYTES,
    is_trusted: Callable[[os.stat_result], bool] | None = None,
) -> bytes | Failure:
    """Return the whole regular file at ``path`` below the directory descriptor ``root``.

    ``path`` is absolute or relative to ``root``, always below it. ``is_trusted`` decides by the
    file's owner and mode whether it counts. Never raises.
    """
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, Failure):
        return opened
    descriptor = -1
    try:
        status = os.fstat(opened)
        if status.st_size > limit or not stat.S_ISREG(status.st_mode):
            return _refusal(status)
        if is_trusted is not None and not is_trusted(status):
            return Failure.UNTRUSTED
        descriptor = os.open(f"/proc/self/fd/{opened}", _REOPENED)
        return _read_all(descriptor, status.st_size, limit)
    except OSError as error:
        return failure_of(error)
    finally:
        _close(opened, descriptor)


def open_regular(
    root: int, path: str, is_trusted: Callable[[os.stat_result], bool]
) -> int | Failure:
    """Open the regular file at ``path`` below ``root`` for reading; the caller closes it.

    ``is_trusted`` decides by the file's owner and mode whether it counts. Never raises.
    """
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, Failure):
        return opened
    try:
        if not stat.S_ISREG((status := os.fstat(opened)).st_mode):
            return _refusal(status)
        if not is_trusted(status):
            return Failure.UNTRUSTED
        return os.open(f"/proc/self/fd/{opened}", _REOPENED)
    except OSError as error:
        return failure_of(error)
    finally:
        os.close(opened)


def link_text(root: int, path: str) -> str | Failure:
    """Return the text of the symbolic link at ``path`` below ``root``, without following it."""
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, Failure):
        return opened
    try:
        # An empty path means the link that the descriptor is of (readlinkat(2)).
        return os.fsdecode(os.readlink(b"", dir_fd=opened))
    except OSError as error:
        return Failure.NOT_REGULAR if error.errno in _NO_LINK else failure_of(error)
    finally:
        os.close(opened)


class FileStamp(NamedTuple):
    """What changes when a file is replaced or written; times in ns since the epoch."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def stamp(root: int, path: str) -> FileStamp | Failure:
    """Return the stamp of the regular file at ``path`` below ``root``. Never raises."""
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, Failure):
        return opened
    try:
        status = os.fstat(opened)
    except OSError as error:
        return failure_of(error)
    finally:
        _close(opened, -1)
    if not stat.S_ISREG(status.st_mode):
        return Failure.NOT_REGULAR
    return FileStamp(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def exists(root: int, path: str) -> bool:
    """Return whether anything, readable or not, is at ``path`` below ``root``. Never raises."""
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, int):
        os.close(opened)
    return opened is not Failure.MISSING


def owner(root: int, path: str) -> int | None:
    """Return the uid that owns what is at ``path`` below ``root``; None where it cannot be seen."""
    opened = _open_path(root, path, _FILE)
    if isinstance(opened, Failure):
        return None
    try:
        return os.fstat(opened).st_uid
    except OSError:
        return None
    finally:
        os.close(opened)


def names(root: int, path: str, limit: int = MAX_NAMES) -> tuple[str, ...] | Failure:
    """Return at most ``limit`` entry names of the directory at ``path`` below ``root``, sorted."""
    opened = _open_path(root, path, _DIRECTORY)
    if isinstance(opened, Failure):
        return opened
    found: list[str] = []
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                if len(found) >= limit:
                    break
                found.append(entry.name)
    except OSError as error:
        return failure_of(error)
    finally:
        os.close(opened)
    return tuple(sorted(found))


def _refusal(status: os.stat_result) -> Failure:
    if stat.S_ISLNK(status.st_mode):
        return Failure.SYMLINK
    return Failure.TOO_LARGE if stat.S_ISREG(status.st_mode) else Failure.NOT_REGULAR


def _read_all(descriptor: int, size: int, limit: int) -> bytes | Failure:
    """Read to the end. ``size`` is what fstat said: where it is right, one call is enough."""
    part = os.read(descriptor, min(size or _CHUNK, limit) + 1)
    if size and len(part) == size:
        # As much as there should be and less than was asked for: the end.
        return part
    parts: list[bytes] = []
    read_so_far = 0
    while part:
        parts.append(part)
        read_so_far += len(part)
        if read_so_far > limit:
            return Failure.TOO_LARGE
        part = os.read(descriptor, min(_CHUNK, limit + 1 - read_so_far))
    return b"".join(parts)


def _close(opened: int, descriptor: int) -> None:
    """Close both, in one call where they are neighbours; errors are of no interest any more."""
    if descriptor == opened + 1:
        os.closerange(opened, descriptor + 1)
        return
    os.closerange(opened, opened + 1)
    if descriptor >= 0:
        os.closerange(descriptor, descriptor + 1)


def _open_path(root: int, path: str, manner: OpenHow) -> int | Failure:
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return Failure.UNSAFE
    if not raw or b"\0" in raw or len(raw) >= MAX_PATH_BYTES:
        return Failure.UNSAFE
    code = errno.EAGAIN
    for _ in range(MAX_RETRIES):
        opened, code = _openat2(root, raw, manner)
        if opened >= 0:
            return opened
        if code != errno.EAGAIN:
            break
    if code in (errno.ENOSYS, errno.EPERM):
        return _open_by_steps(root, raw, manner.flags)
    return _BY_ERRNO.get(code, Failure.IO_ERROR)


def _open_by_steps(root: int, raw: bytes, flags: int) -> int | Failure:
    steps = [step for step in raw.split(b"/") if step not in (b"", b".")]
    if b".." in steps:
        return Failure.UNSAFE
    try:
        if _is_own_root(root):
            return os.open(b"/" + b"/".join(steps), flags)
        return _walk(root, steps, flags)
    except OSError as error:
        return failure_of(error)


def _is_own_root(root: int) -> bool:
    return os.path.samestat(os.fstat(root), os.lstat("/"))


def _walk(root: int, steps: list[bytes], flags: int) -> int:
    """Open ``steps`` one by one, refusing every symlink: raises OSError with ELOOP or ENOTDIR."""
    directory = os.dup(root)
    try:
        for step in steps[:-1]:
            below = os.open(step, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            os.close(directory)
            directory = below
            if stat.S_ISLNK(os.fstat(directory).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        last = steps[-1] if steps else b"."
        return os.open(last, flags | os.O_NOFOLLOW, dir_fd=directory)
    finally:
        os.close(directory)

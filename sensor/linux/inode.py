"""Which inode lies at a path as some process sees it, found without waiting for a file system.

A path that a process connected to may lead anywhere: through symlinks of a container, or into a
FUSE mount whose server never answers. So a look-up

- stays below the process's root (openat2(2), ``RESOLVE_IN_ROOT``) and follows no magic link;
- takes what the kernel has cached (``RESOLVE_CACHED``, Linux 5.12) and nothing else, unless the
  caller vouches for the file systems: who has just connected to a path has filled the cache;
- opens with ``O_PATH``, which has no effect on what lies there;
- asks for attributes with ``AT_STATX_DONT_SYNC`` (statx(2)), which sends no request to a server.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from enum import StrEnum, unique
from pathlib import Path
from typing import Literal

from sensor.dataclass import dataclass

MAX_PATH_BYTES = 4096
"""PATH_MAX of Linux."""

MAX_RETRIES = 4
"""How often a look-up that raced with a rename is tried again (openat2(2), EAGAIN)."""

_OPENAT2 = 437
"""The system call's number, one for all architectures (include/uapi/asm-generic/unistd.h)."""
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_CACHED = 0x20
_AT_EMPTY_PATH = 0x1000
_AT_STATX_DONT_SYNC = 0x4000
_STATX_BASIC_STATS = 0x7FF
_STATX_MNT_ID = 0x1000
_STATX_ATTR_MOUNT_ROOT = 0x2000


@unique
class Miss(StrEnum):
    """Why no inode can be named."""

    PROCESS_GONE = "process_gone"
    MISSING = "missing"
    DENIED = "denied"
    UNCACHED = "uncached"
    """The kernel would have to ask a file system, which may never answer."""
    UNSAFE = "unsafe"
    """Not a path, or one that leads through a magic link or too many links."""
    UNSUPPORTED = "unsupported"
    """No openat2: a kernel before 5.6, or a seccomp filter that does not know it."""
    IO_ERROR = "io_error"


_BY_ERRNO = {
    errno.ENOENT: Miss.MISSING,
    errno.ENOTDIR: Miss.MISSING,
    errno.ESRCH: Miss.PROCESS_GONE,
    errno.EACCES: Miss.DENIED,
    errno.EPERM: Miss.UNSUPPORTED,
    errno.ENOSYS: Miss.UNSUPPORTED,
    errno.EAGAIN: Miss.UNCACHED,
    errno.ELOOP: Miss.UNSAFE,
    errno.EXDEV: Miss.UNSAFE,
    errno.ENAMETOOLONG: Miss.UNSAFE,
}


@dataclass(frozen=True, slots=True)
class Inode:
    """What lies at a path. ``device`` is encoded as ``st_dev`` of stat(2)."""

    device: int
    number: int
    mode: int
    mount: int
    """The mount's id (statx, Linux 5.8), which differs between bind mounts of one directory."""
    mount_root: bool
    """Whether it is the root directory of its mount (statx, Linux 5.8)."""

    @property
    def is_socket(self) -> bool:
        """Whether a unix socket lies there."""
        return stat.S_ISSOCK(self.mode)


class _OpenHow(ctypes.Structure):
    """``struct open_how`` (include/uapi/linux/openat2.h)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


class _Statx(ctypes.Structure):
    """``struct statx`` (include/uapi/linux/stat.h), the times left out."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("attributes", ctypes.c_uint64),
        ("links", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("mode", ctypes.c_uint16),
        ("spare", ctypes.c_uint16),
        ("ino", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("blocks", ctypes.c_uint64),
        ("attributes_mask", ctypes.c_uint64),
        ("times", ctypes.c_byte * 64),
        ("rdev_major", ctypes.c_uint32),
        ("rdev_minor", ctypes.c_uint32),
        ("dev_major", ctypes.c_uint32),
        ("dev_minor", ctypes.c_uint32),
        ("mnt_id", ctypes.c_uint64),
        ("rest", ctypes.c_byte * 104),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_process(pid: int, proc: Path = Path("/proc")) -> int:
    """Open /proc/PID: the descriptor stays that process's, even when its pid is used again.

    :raises OSError: the process is gone.
    """
    return os.open(proc / str(pid), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def namespace(process: int, kind: str) -> int | Miss:
    """Return the inode number of a process's namespace: ``mnt``, ``pid``, ``net``."""
    try:
        return os.stat(f"ns/{kind}", dir_fd=process).st_ino
    except OSError as error:
        return _of(error)


def open_directory(process: int, which: Literal["root", "cwd"]) -> int | Miss:
    """Open a process's root or working directory; the caller closes it."""
    try:
        return os.open(which, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    except OSError as error:
        return _of(error)


def look_up(directory: int, path: str, *, may_wait: bool = False) -> Inode | Miss:
    """Return the inode at ``path``, the last symlink followed.

    An absolute path starts at ``directory``, a root that it cannot leave; a relative one must stay
    below ``directory`` without being held there. ``may_wait`` lets the kernel ask the file systems:
    for paths of the host alone.
    """
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return Miss.UNSAFE
    if not raw or b"\0" in raw or len(raw) >= MAX_PATH_BYTES:
        return Miss.UNSAFE
    within = _RESOLVE_IN_ROOT if raw.startswith(b"/") else _RESOLVE_BENEATH
    opened = _open(directory, raw, within, _RESOLVE_CACHED)
    if opened is Miss.UNCACHED and may_wait:
        opened = _open(directory, raw, within, 0)
    if isinstance(opened, Miss):
        return opened
    try:
        return inode_of(opened)
    finally:
        os.close(opened)


def open_step(directory: int, name: bytes) -> int | Miss:
    """Open one component below a directory from the cache, a symlink itself instead of its target.

    The caller closes it.
    """
    return _open(directory, name, _RESOLVE_BENEATH, _RESOLVE_CACHED, os.O_NOFOLLOW)


def inode_of(descriptor: int) -> Inode | Miss:
    """Return the inode behind a descriptor from what the kernel has cached of it."""
    found = _Statx()
    code = _libc.statx(
        ctypes.c_int(descriptor),
        ctypes.c_char_p(b""),
        ctypes.c_int(_AT_EMPTY_PATH | _AT_STATX_DONT_SYNC),
        ctypes.c_uint(_STATX_BASIC_STATS | _STATX_MNT_ID),
        ctypes.byref(found),
    )
    if code != 0:
        return _BY_ERRNO.get(ctypes.get_errno(), Miss.IO_ERROR)
    device = os.makedev(found.dev_major, found.dev_minor)
    mount_root = bool(found.attributes & _STATX_ATTR_MOUNT_ROOT)
    return Inode(device, found.ino, found.mode, found.mnt_id, mount_root)


def _open(directory: int, raw: bytes, within: int, cached: int, flags: int = 0) -> int | Miss:
    code = errno.EAGAIN
    for _ in range(MAX_RETRIES):
        flags |= os.O_PATH | os.O_CLOEXEC
        how = _OpenHow(flags, 0, within | _RESOLVE_NO_MAGICLINKS | cached)
        opened = int(
            _libc.syscall(
                ctypes.c_long(_OPENAT2),
                ctypes.c_int(directory),
                ctypes.c_char_p(raw),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
        )
        if opened >= 0:
            return opened
        code = ctypes.get_errno()
        if code == errno.EINVAL and cached:
            cached = 0  # before Linux 5.12
        elif code != errno.EAGAIN:
            break
    return _BY_ERRNO.get(code, Miss.IO_ERROR)


def _of(error: OSError) -> Miss:
    """Name the reason of an OSError from procfs, where a vanished file is a vanished process."""
    miss = _BY_ERRNO.get(error.errno or 0, Miss.IO_ERROR)
    return Miss.PROCESS_GONE if miss is Miss.MISSING else miss

"""openat2(2), which Python does not have: a path that is resolved below a directory only."""

from __future__ import annotations

import ctypes
import os

_OPENAT2 = 437
"""The syscall's number, one for all architectures (kernel: include/uapi/asm-generic/unistd.h)."""

_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10


class OpenHow(ctypes.Structure):
    """``struct open_how`` (kernel: include/uapi/linux/openat2.h)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_HOW_SIZE = ctypes.sizeof(OpenHow)

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (
    ctypes.c_long,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.POINTER(OpenHow),
    ctypes.c_size_t,
)


def how(flags: int) -> OpenHow:
    """Return the manner of opening below the root, with no magic link followed."""
    return OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)


def openat2(root: int, path: bytes, manner: OpenHow) -> tuple[int, int]:
    """Return a descriptor and 0, or a negative number and the errno. ``path`` has no NUL."""
    opened = int(_syscall(_OPENAT2, root, path, manner, _HOW_SIZE))
    return opened, 0 if opened >= 0 else ctypes.get_errno()

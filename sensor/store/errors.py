"""What an error of SQLite or of the system means for the database."""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@unique
class ErrorKind(Enum):
    """What an error of SQLite or of the system speaks of."""

    FULL = "full"
    """No space below the cap, or none on the disk."""
    DISK = "disk"
    """The disk or the rights: it may work later."""
    DAMAGE = "damage"
    """What stands in the file."""
    VALUE = "value"
    """What was to be written."""


_PRIMARY = 0xFF
_KINDS = {
    sqlite3.SQLITE_FULL: ErrorKind.FULL,
    **dict.fromkeys(
        (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_INTERRUPT,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_LOCKED,
            sqlite3.SQLITE_NOMEM,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_PROTOCOL,
        ),
        ErrorKind.DISK,
    ),
    **dict.fromkeys(
        (
            sqlite3.SQLITE_CONSTRAINT,
            sqlite3.SQLITE_MISMATCH,
            sqlite3.SQLITE_RANGE,
            sqlite3.SQLITE_TOOBIG,
        ),
        ErrorKind.VALUE,
    ),
}
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_WRONG_PLACE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP}
)

Error = sqlite3.Error | ValueError | OSError | OverflowError


def kind_of(path: Path, error: Error) -> ErrorKind:
    """Return what is wrong with the database at ``path``.

    SQLite quotes what it finds, so that its message may be no text: a UnicodeDecodeError then.
    """
    if isinstance(error, OSError):
        return ErrorKind.FULL if error.errno in _NO_SPACE else ErrorKind.DISK
    if isinstance(error, OverflowError | sqlite3.InterfaceError | sqlite3.ProgrammingError):
        return ErrorKind.VALUE
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return ErrorKind.DAMAGE
    if code & _PRIMARY == sqlite3.SQLITE_READONLY:
        # A damaged header reads like a format that can only be read.
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        return ErrorKind.DAMAGE if writable else ErrorKind.DISK
    return _KINDS.get(code & _PRIMARY, ErrorKind.DAMAGE)


def is_wrong_place(path: Path, error: Error) -> bool:
    """Return whether the path or the rights are wrong, which waiting does not change."""
    if isinstance(error, OSError):
        return error.errno in _WRONG_PLACE
    try:
        if not path.parent.is_dir() or path.is_dir():
            return True
        read_only = bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    return not read_only and not os.access(path.parent, os.W_OK)

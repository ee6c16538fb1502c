"""How the database stays below the free space of its disk.

``max_page_count`` keeps SQLite from growing the file into the last of the space, because on a disk
that is really full it cannot even delete: deleting writes to the write-ahead log first. For the day
on which another program fills the disk there is the ballast, a file that is unlinked then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sensor.store.database import FILE_NAME

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

BALLAST_NAME = "castoff.ballast"
BALLAST_BYTES = 16 << 20
"""As much as the write-ahead log holds: so it can go to the file and give back its space."""

BALLAST_SHARE = 8
"""The ballast takes at most one of so many parts of the disk."""

WAL_ALLOWANCE = 32 << 20
"""Bytes that are left to the write-ahead log, or half of a disk that is smaller than twice that."""

LEAST_PAGES = 256
"""Pages up to which the file may grow whatever the free space is, but a quarter of the disk."""

FULL_BYTES = 1 << 20
"""Free bytes, at most an eighth of the disk, below which it counts as full."""

LOG_PAGES = 4000
"""Pages after which the write-ahead log goes to the file. Ids are random, so that a hundred entries
touch three hundred pages of the indices of a large log; gathered, many of them are the same."""

LOG_SHARE = 16
"""On a small disk: so that the log takes at most one of so many parts of it."""


class DiskSpace:
    """The disk below the state directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ballast = directory / BALLAST_NAME

    def cap(self, connection: sqlite3.Connection) -> int:
        """Set the largest size of the file by the space there is now; returns it in pages."""
        disk = os.statvfs(self._directory)
        total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        pages, page_size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "page_size")
        )
        room = max(0, free + self._wal_bytes() - min(WAL_ALLOWANCE, total // 2))
        wanted = max(pages + room // page_size, min(LEAST_PAGES, total // 4 // page_size))
        limit: int = connection.execute(f"PRAGMA max_page_count = {wanted}").fetchone()[0]
        log_pages = max(1, min(LOG_PAGES, total // LOG_SHARE // page_size))
        connection.execute(f"PRAGMA wal_autocheckpoint = {log_pages}").fetchone()
        return limit

    def _wal_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._directory.glob(f"{FILE_NAME}-wal"))

    def is_full(self) -> bool:
        """Return whether there is hardly any space on the disk; raises OSError."""
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize < min(FULL_BYTES, disk.f_blocks * disk.f_frsize // 8)

    def drop_ballast(self) -> bool:
        """Free the ballast's space; returns whether there was any. Raises OSError."""
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        return True

    def make_ballast(self) -> None:
        """Make the ballast where there is room for three of it; raises OSError."""
        disk = os.statvfs(self._directory)
        size = min(BALLAST_BYTES, disk.f_blocks * disk.f_frsize // BALLAST_SHARE)
        if self._ballast.exists() or disk.f_bavail * disk.f_frsize < 3 * size:
            return
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            self._ballast.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

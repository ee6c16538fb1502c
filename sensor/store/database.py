"""The file ``castoff.db``: opening it, checking it, moving it aside.

Checked at every start: the header, that all tables and indices are there, and by SQLite's own
``integrity_check`` either the whole file, when it is at most ``CHECKED_WHOLE`` bytes, or the tables
beside the log and the newest entries. A log of a million events is not checked whole: that takes
seconds of reading just when the kernel's rings wait to be drained, and neither a killed agent nor a
power cut damages a file in WAL mode. What a failing disk did to old pages shows when they are
touched (``cell_size_check``, the checksum of each body), and is dealt with then: a writer that
meets damage moves the file aside and begins a new one, with what can be salvaged; a reader says so
and goes on.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING

from sensor.errors import StateUnusable
from sensor.store.errors import Error, ErrorKind, kind_of
from sensor.store.schema import EXPECTED, SCHEMA_VERSION, SMALL, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE_NAME = "castoff.db"

BUSY_SECONDS = 2.0

CACHE_KIB = 2048
"""Page cache of the writing connection; the kernel's page cache does the rest."""

CHECKED_WHOLE = 16 << 20
"""Bytes up to which a file is checked whole at start."""

CHECKED_ENTRIES = 200
"""Newest entries that are read at start when the file is larger."""

WAL_BYTES = 16 << 20
"""Size to which the write-ahead log is cut after a checkpoint."""

KEPT_DAMAGED = 5
"""Damaged files that are kept; the oldest goes when there are more."""

ANEW_SECONDS = 60.0

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\x00"
_USER_VERSION = slice(60, 64)
_TAIL = (
    "SELECT total(length(body)), max(name), max(container), max(id) FROM"
    " (SELECT * FROM event ORDER BY sequence DESC LIMIT ?)"
)
_SIDE_FILES = ("-wal", "-shm")


class Database:
    """The state directory's database, not yet open."""

    def __init__(
        self,
        directory: Path,
        *,
        sync: str = "NORMAL",
        salvage: Callable[[Path, sqlite3.Connection], None] | None = None,
    ) -> None:
        """``sync`` is SQLite's ``synchronous``: FULL or NORMAL.

        ``salvage`` copies what can be read of a file that was moved aside into the new one.
        """
        self.path = directory / FILE_NAME
        self.moved_aside: Path | None = None
        self._salvage = salvage
        self._salvaged: Path | None = None
        self._moved = float("-inf")
        self._sync = sync

    def open(self) -> sqlite3.Connection:
        """Open or make the file. A damaged one is moved aside, as ``moved_aside``, and begun anew.

        Raises :class:`StateUnusable` for a file of a newer version, which is left untouched, and
        what sqlite3 and the system raise for a disk or rights that do not allow it.
        """
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            connection = self._open()
        except (sqlite3.Error, ValueError) as error:
            if kind_of(self.path, error) is not ErrorKind.DAMAGE:
                raise
            if not self.move_aside():
                raise
            connection = self._open()
        if self._salvage is not None and self._salvaged != self.moved_aside:
            self._salvaged = self.moved_aside
            if self.moved_aside is not None:
                self._salvage(self.moved_aside, connection)
        return connection

    def _open(self) -> sqlite3.Connection:
        self._refuse_newer()
        # SQLite gives the rights of this file to those that it makes beside it.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, self._sync)
            migrate(connection)
            _check(connection)
            _try_writing(connection)
            self.path.chmod(0o640)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_newer(self) -> None:
        """Look at the version before SQLite may change anything, as it does on closing."""
        try:
            with self.path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            return
        version = 0
        if header.startswith(_MAGIC) and len(header) == _HEADER_BYTES:
            version = int.from_bytes(header[_USER_VERSION], "big", signed=True)
        wal = self.path.with_name(self.path.name + "-wal")
        if version <= SCHEMA_VERSION and wal.exists() and wal.stat().st_size:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
            finally:
                connection.close()
        if version > SCHEMA_VERSION:
            problem = f"{self.path} was written by a newer Castoff (schema {version})"
            raise StateUnusable(problem, "Use that version, or another --state-dir.")

    def unusable(self, error: Error) -> StateUnusable:
        """Return the error for a person."""
        problem = f"{self.path} cannot be used: {error}"
        return StateUnusable(problem, "Check the directory's owner, space and mount options.")

    def move_aside(self) -> bool:
        """Rename the file and what belongs to it, so that a new one can be begun.

        Not twice within ``ANEW_SECONDS``: then it is the disk that is damaged, and it is left.
        """
        if time.monotonic() - self._moved < ANEW_SECONDS:
            return False
        self._moved = time.monotonic()
        stem = self.path.stem + ".damaged-"
        kept = sorted(
            int(digits)
            for path in self.path.parent.glob(f"{stem}*")
            if (digits := path.name.removeprefix(stem)).isdecimal()
        )
        target = self.path.with_name(f"{stem}{kept[-1] + 1 if kept else 1}")
        for suffix in ("", *_SIDE_FILES):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                source.rename(target.with_name(target.name + suffix))
        for old in kept[: max(0, len(kept) + 1 - KEPT_DAMAGED)]:
            for suffix in ("", *_SIDE_FILES):
                self.path.with_name(f"{stem}{old}{suffix}").unlink(missing_ok=True)
        self.moved_aside = target
        return True


def _prepare(connection: sqlite3.Connection, sync: str) -> None:
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {sync}",
        f"cache_size = -{CACHE_KIB}",
        "mmap_size = 0",
        f"journal_size_limit = {WAL_BYTES}",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        # Deleted rows are overwritten where that costs no writes of its own.
        "secure_delete = FAST",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step in one transaction."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in range(max(0, version) + 1, SCHEMA_VERSION + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in VERSIONS[step]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _try_writing(connection: sqlite3.Connection) -> None:
    """Raise what sqlite3 raises for a file that can only be read; a full disk does not count.

    A damaged header may say so of a file that the rights allow to write.
    """
    try:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
            raise


def _check(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError for a file that is not sound."""
    for statement in EXPECTED:
        connection.execute(f"{statement} LIMIT 0").fetchall()
    pages, page_size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if pages * page_size <= CHECKED_WHOLE:
        answers = [connection.execute("PRAGMA integrity_check(1)").fetchone()]
    else:
        answers = [
            connection.execute(f"PRAGMA integrity_check({table})").fetchone() for table in SMALL
        ]
        connection.execute(_TAIL, (CHECKED_ENTRIES,)).fetchone()
    states = connection.execute("SELECT count(*) FROM state").fetchone()
    if any(answer[0] != "ok" for answer in answers) or states[0] != 1:
        message = "the integrity check failed"
        raise sqlite3.DatabaseError(message)

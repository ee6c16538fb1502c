"""What an agent leaves to the next one: the containers it knew, and until when it saw.

SQLite in WAL mode (sqlite3 of the standard library). One writer, one transaction a save. With
synchronous=NORMAL a crash of the agent loses nothing, a power cut at most the last saves.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING

from sensor.errors import StateUnusable
from sensor.model import ContainerId, KnowledgeRestored, KnownContainer, ProcessKey

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1

FILE_NAME = "castoff.db"

BUSY_SECONDS = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    boot_id TEXT NOT NULL,
    seen INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS container (
    id TEXT NOT NULL,
    scope TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    init_pid INTEGER,
    init_start INTEGER,
    running INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    started_wall INTEGER,
    stopped_wall INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    pod_uid TEXT,
    pod_container TEXT,
    PRIMARY KEY (id, scope)
);
"""
_NO_SCOPE = ""

_UNUSABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)
"""Result codes that speak of the disk or the rights, not of what stands in the file."""


class Knowledge:
    """The state directory's database."""

    def __init__(self, directory: Path) -> None:
        """Open or make the database below ``directory``.

        A damaged file is moved aside and a new one begun: ``moved_aside`` then names it. Raises
        :class:`StateUnusable` when the directory cannot be used or the file is of a newer version.
        """
        self.path = directory / FILE_NAME
        self.moved_aside: Path | None = None
        try:
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._database = self._open()
        except (sqlite3.DatabaseError, ValueError) as error:
            if not self._is_damage(error):
                raise self._unusable(error) from error
            self._begin_anew()
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StateUnusable:
        problem = f"{self.path} cannot be used: {error}"
        return StateUnusable(problem, "Check the directory's owner, space and mount options.")

    def _is_damage(self, error: Exception) -> bool:
        """Tell whether the file is what is wrong, and not the disk or the rights.

        SQLite quotes what it finds, so that its message may be no text: a UnicodeDecodeError then.
        """
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code == sqlite3.SQLITE_IOERR_SHORT_READ:
            return True
        if code & 0xFF == sqlite3.SQLITE_READONLY:
            # A damaged header reads like a format that can only be read.
            return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        return code & 0xFF not in _UNUSABLE

    def _begin_anew(self) -> None:
        try:
            self._move_aside()
            self._database = self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                problem = f"{self.path} was written by a newer Castoff (schema {version})"
                raise StateUnusable(  # noqa: TRY301 - the handler closes what was opened
                    problem, "Use that version, or another --state-dir."
                )
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            if database.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                message = "integrity_check failed"
                raise sqlite3.DatabaseError(message)  # noqa: TRY301 - as above
        except BaseException:
            database.close()
            raise
        self.path.chmod(0o640)
        return database

    def _move_aside(self) -> None:
        number = 1
        while (target := self.path.with_suffix(f".damaged-{number}")).exists():
            number += 1
        self.path.rename(target)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.moved_aside = target

    def load(self, time: int) -> KnowledgeRestored | None:
        """Read what was saved last; None when nothing was.

        What makes no sense is moved aside like a damaged file, and nothing was saved then.
        """
        try:
            return self._load(time)
        except (sqlite3.DatabaseError, ValueError) as error:
            if not self._is_damage(error):
                raise self._unusable(error) from error
            self._database.close()
            self._begin_anew()
            return None

    def _load(self, time: int) -> KnowledgeRestored | None:
        checkpoint = self._database.execute("SELECT boot_id, seen FROM checkpoint").fetchone()
        if checkpoint is None:
            return None
        rows = self._database.execute(
            "SELECT id, scope, boot_id, init_pid, init_start, running, starts, started_wall,"
            " stopped_wall, exit_code, signal, pod_uid, pod_container FROM container ORDER BY rowid"
        )
        return KnowledgeRestored(
            time=time,
            boot_id=_str(checkpoint[0]),
            seen=_int(checkpoint[1]),
            containers=tuple(_known(row) for row in rows),
        )

    def save(
        self,
        boot_id: str,
        seen: int,
        changed: tuple[KnownContainer, ...],
        forgotten: tuple[tuple[ContainerId, str | None], ...],
    ) -> None:
        """Write a checkpoint and what changed since the last one, in one transaction.

        Raises :class:`StateUnusable` when the disk is full or gone; the caller may try again.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?)", (boot_id, seen)
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [_row(known) for known in changed],
            )
            self._database.executemany(
                "DELETE FROM container WHERE id = ? AND scope = ?",
                [(_text(id_), _text(scope or _NO_SCOPE)) for id_, scope in forgotten],
            )
            self._database.execute("COMMIT")
        except (sqlite3.Error, OverflowError, ValueError) as error:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _text(value: str) -> str:
    """SQLite takes no lone surrogates: what is no text in an id is written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _str(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} where text should be"
        raise ValueError(message)  # noqa: TRY004 - it is the file that is wrong
    return value


def _int(value: object) -> int:
    if not isinstance(value, int):
        message = f"{value!r} where a number should be"
        raise ValueError(message)  # noqa: TRY004 - it is the file that is wrong
    return value


def _int_or_none(value: object) -> int | None:
    return None if value is None else _int(value)


def _str_or_none(value: object) -> str | None:
    return None if value is None else _str(value)


def _known(row: tuple[object, ...]) -> KnownContainer:
    """Read one row; raises ValueError when SQLite kept something else than was put in."""
    return KnownContainer(
        id=ContainerId(_str(row[0])),
        scope=_str(row[1]) or None,
        boot_id=_str(row[2]),
        init=ProcessKey(_int(row[3]), _int(row[4])) if row[3] is not None else None,
        running=bool(_int(row[5])),
        starts=_int(row[6]),
        started_wall=_int_or_none(row[7]),
        stopped_wall=_int_or_none(row[8]),
        exit_code=_int_or_none(row[9]),
        signal=_int_or_none(row[10]),
        pod_uid=_str_or_none(row[11]),
        pod_container=_str_or_none(row[12]),
    )


def _row(known: KnownContainer) -> tuple[str | int | None, ...]:
    return (
        _text(known.id),
        _text(known.scope) if known.scope else _NO_SCOPE,
        known.boot_id,
        known.init.pid if known.init is not None else None,
        known.init.start_time if known.init is not None else None,
        int(known.running),
        known.starts,
        known.started_wall,
        known.stopped_wall,
        known.exit_code,
        known.signal,
        _text(known.pod_uid) if known.pod_uid is not None else None,
        _text(known.pod_container) if known.pod_container is not None else None,
    )

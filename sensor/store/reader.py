"""The log as it is asked: each answer from its own read-only connection, in any thread.

A connection is opened for each answer: there is no cache to hold, no snapshot that would keep the
write-ahead log from being cut, and a file that was moved aside is never read by mistake.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sensor.errors import StateUnusable
from sensor.store.query import CursorExpired, Extent, Page, Query, TooManyMatches
from sensor.store.query_plan import QueryPlan, extent_of
from sensor.store.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.store.time_range import NodeClock

__all__ = ["CursorExpired", "Extent", "LogReader", "Page", "Query", "TooManyMatches"]

CACHE_KIB = 1024
BUSY_SECONDS = 1.0


class LogReader:
    """The read side of the database at ``path``."""

    def __init__(self, path: Path, clock: NodeClock | None = None) -> None:
        """``clock`` gives the wall clock of the current boot; else the log's newest time."""
        self._path = path
        self._clock = clock

    def extent(self) -> Extent:
        """Return the log's ends; raises :class:`StateUnusable`."""
        try:
            with closing(connect(self._path)) as connection:
                return extent_of(connection)
        except (sqlite3.Error, ValueError, OSError) as error:
            raise unreadable(self._path, error) from error

    def read(self, query: Query) -> Page:
        """Return a page of a query's answer.

        Raises :class:`CursorExpired`, :class:`TooManyMatches`, and :class:`StateUnusable` when the
        file cannot be read.
        """
        try:
            with closing(connect(self._path)) as connection:
                connection.execute("BEGIN")
                return QueryPlan(connection, query, self._clock).page()
        except (sqlite3.Error, ValueError, OSError, OverflowError) as error:
            raise unreadable(self._path, error) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for reading only; raises :class:`StateUnusable`, and what sqlite3 raises."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        cached_statements=16,
    )
    try:
        connection.text_factory = _decoded
        for pragma in ("query_only = ON", f"cache_size = -{CACHE_KIB}", "mmap_size = 0"):
            connection.execute(f"PRAGMA {pragma}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            problem = f"{path} has schema {version}, not {SCHEMA_VERSION}"
            raise StateUnusable(  # noqa: TRY301 - the handler closes what was opened
                problem, "Start the agent of this version once."
            )
    except BaseException:
        connection.close()
        raise
    return connection


def unreadable(path: Path, error: Exception) -> StateUnusable:
    """Return the error for a file that cannot be read."""
    problem = f"{path} cannot be read: {error}"
    return StateUnusable(problem, "See whether the agent runs and the file is sound.")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")

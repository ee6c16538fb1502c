"""The log as outputs read it: onward from a cursor, many entries at once, by one connection.

:mod:`sensor.store.reader` takes a statement an entry, which is right for people and far too slow
for shipping. Here a page is one statement that is read to its end before anything else is
done: no snapshot is held between pages, so the write-ahead log can be cut. The connection is opened
again when another file stands at the path, as it does after a damaged one was moved aside.

Not shared between threads.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store.compression import Unpacker
from sensor.store.entry import blob, number, string, text, unpack
from sensor.store.reader import connect, unreadable

if TYPE_CHECKING:
    from pathlib import Path

PAGE_ROWS = 1000
PAGE_BYTES = 1 << 20
"""Rows and bytes of unpacked bodies of one page, unless less is asked for."""

_AFTER = (
    "SELECT sequence, id, type, wall, body, link FROM event NOT INDEXED"
    " WHERE sequence > ? ORDER BY sequence LIMIT ?"
)
_DEAD = (
    "SELECT letter.sequence, letter.id, letter.type, letter.wall, letter.body, event.link"
    " FROM dead_letter AS letter LEFT JOIN event ON event.sequence = letter.sequence"
    " WHERE output = ? AND letter.sequence > ? AND letter.sequence <= ?"
    " ORDER BY letter.sequence LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a page: ``wall`` in ns since the Unix epoch, ``body`` the native JSON line.

    ``link`` is its number in the chain of the log, None for one that has none.
    """

    sequence: int
    id: str
    type: str
    wall: int
    body: bytes
    link: int | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Rows in the order of the log. ``through`` is the cursor behind them.

    ``stream`` names the log: sequences mean nothing in another. ``damaged`` counts rows up to
    ``through`` that could not be read.
    """

    stream: str
    rows: tuple[Row, ...]
    through: int
    damaged: int = 0


class Pages:
    """Reads the database at ``path``. Every method raises :class:`StateUnusable`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._stream = ""
        self._types: dict[int, str] = {}
        self._unpacker = Unpacker(self._dictionary)

    def after(self, sequence: int, rows: int = PAGE_ROWS, size: int = PAGE_BYTES) -> LogPage:
        """Return the entries beyond ``sequence``: at most ``rows``, of about ``size`` bytes."""
        return self._page(_AFTER, (sequence, rows), sequence, size)

    def dead(
        self, output: str, after: int, through: int, rows: int = PAGE_ROWS, size: int = PAGE_BYTES
    ) -> LogPage:
        """Return an output's dead letters with sequences beyond ``after`` and up to ``through``."""
        return self._page(_DEAD, (text(output), after, through, rows), after, size)

    def cursors(self) -> dict[str, int]:
        """Return where each output stands, as far as it was written."""
        try:
            with closing(self._current().execute("SELECT name, sequence FROM cursor")) as found:
                return {string(row[0]): number(row[1]) for row in found}
        except (sqlite3.Error, ValueError, OSError) as error:
            self.close()
            raise unreadable(self._path, error) from error

    def newest_ids(self, limit: int) -> frozenset[str]:
        """Return the ids of the newest entries."""
        statement = "SELECT id FROM event ORDER BY sequence DESC LIMIT ?"
        try:
            with closing(self._current().execute(statement, (limit,))) as found:
                return frozenset(unpack(row[0]) for row in found)
        except (sqlite3.Error, ValueError, OSError) as error:
            self.close()
            raise unreadable(self._path, error) from error

    def offset(self, boot_id: str) -> int | None:
        """Return the wall clock's offset in ns that the newest entry of a boot was made with."""
        statement = (
            "SELECT wall - time FROM event"
            " WHERE boot IN (SELECT number FROM boot WHERE boot_id = ?)"
            " ORDER BY sequence DESC LIMIT 1"
        )
        try:
            with closing(self._current().execute(statement, (text(boot_id),))) as found:
                row = found.fetchone()
                return None if row is None else number(row[0])
        except (sqlite3.Error, ValueError, OSError) as error:
            self.close()
            raise unreadable(self._path, error) from error

    def count(self, after: int, through: int) -> int:
        """Return how many entries there are beyond a sequence and up to another."""
        statement = "SELECT count(*) FROM event WHERE sequence > ? AND sequence <= ?"
        try:
            with closing(self._current().execute(statement, (after, through))) as found:
                return number(found.fetchone()[0])
        except (sqlite3.Error, ValueError, OSError, OverflowError) as error:
            self.close()
            raise unreadable(self._path, error) from error

    def dead_counts(self) -> dict[str, tuple[int, int]]:
        """Return for each output that has dead letters how many, and the last one's sequence."""
        statement = "SELECT output, count(*), max(sequence) FROM dead_letter GROUP BY output"
        try:
            with closing(self._current().execute(statement)) as found:
                return {string(row[0]): (number(row[1]), number(row[2])) for row in found}
        except (sqlite3.Error, ValueError, OSError) as error:
            self.close()
            raise unreadable(self._path, error) from error

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _page(
        self, statement: str, values: tuple[int | str, ...], after: int, size: int
    ) -> LogPage:
        rows: list[Row] = []
        through, damaged = after, 0
        try:
            # Closing ends the statement, and with it the snapshot, also where it is left early.
            with closing(self._current().execute(statement, values)) as found:
                for cells in found:
                    try:
                        row = self._row(cells)
                    except ValueError:
                        damaged += 1
                    else:
                        rows.append(row)
                        size -= len(row.body)
                    through = number(cells[0])
                    if size <= 0:
                        break
        except (sqlite3.Error, ValueError, OSError, OverflowError) as error:
            self.close()
            raise unreadable(self._path, error) from error
        return LogPage(self._stream, tuple(rows), through, damaged)

    def _row(self, cells: tuple[object, ...]) -> Row:
        sequence, id_, kind, wall, packed, link = cells
        name = self._types.get(number(kind))
        if name is None:
            self._learn_types()
            name = self._types.get(number(kind))
            if name is None:
                message = f"entry {sequence} has no type"
                raise ValueError(message)
        body = self._unpacker.unpack(blob(packed))
        place = None if link is None else number(link)
        return Row(number(sequence), unpack(id_), name, number(wall), body, place)

    def _learn_types(self) -> None:
        if self._connection is not None:
            found = self._connection.execute("SELECT number, name FROM type").fetchall()
            self._types = {number(key): string(name) for key, name in found}

    def _dictionary(self, name: int) -> bytes | None:
        if self._connection is None:
            return None
        row = self._connection.execute(
            "SELECT line FROM dictionary WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else blob(row[0])

    def _current(self) -> sqlite3.Connection:
        """Return the connection to the file that is at the path now."""
        found = self._path.stat()
        inode = found.st_dev, found.st_ino
        if self._connection is not None and inode == self._inode:
            return self._connection
        self.close()
        connection = connect(self._path)
        self._connection, self._inode, self._types = connection, inode, {}
        self._unpacker = Unpacker(self._dictionary)
        row = connection.execute("SELECT stream FROM state").fetchone()
        self._stream = string(row[0] if row is not None else None)
        return connection

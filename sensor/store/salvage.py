"""What can be read of a damaged log, for the log that is begun after it.

Rules:

- An event counts if its body unpacks: the body's checksum says that no bit of it is wrong. What the
  columns beside it hold is taken from the body where the body has it.
- Events keep their sequences and the log its stream, so an output goes on at its cursor. Of a
  cursor that stands in several versions the lowest counts: an event rather twice than never.
- What other tables hold is copied row by row where SQLite can read it, and rows that make no sense
  are left out.
- The newest pages come first, and after ``SALVAGE_SECONDS`` the rest is given up: the damaged file
  stays, and ``castoff salvage`` reads all of it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store import anchors, knowledge
from sensor.store.compression import Unpacker
from sensor.store.entry import INT64, blob, number, pack, string, text, unpack
from sensor.store.event_line import EventLine
from sensor.store.page_scan import PageFile, ScanCounts, ScannedRow
from sensor.store.rows import RESERVE, Rows
from sensor.store.small_tables import (
    EVENT_COLUMNS,
    MOMENT_TOLERANCE,
    chain_place,
    small_tables,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sensor.store.page_scan import Value

SALVAGE_SECONDS = 30.0
"""Seconds that an agent spends on one damaged file. The kernel keeps its records meanwhile."""

CHUNK = 2000
"""Events that are written in one transaction."""

_LOOK_EVERY = 256
"""Rows after which the clock is looked at."""

_LETTER_COLUMNS = 9
_HOUR = 3600 * 1_000_000_000

_INSERT = (
    "INSERT OR IGNORE INTO event (sequence, id, type, boot, time, lag, wall, container, name, body,"
    " link, digest) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)
_LETTER = (
    "INSERT OR IGNORE INTO dead_letter (output, sequence, told, reason, id, type, wall, body)"
    " VALUES (?,?,?,?,?,?,?,?)"
)
_OWN = frozenset({"event", "state", "boot", "type", "dictionary", "cursor", "container",
                  "container_ahead", "checkpoint", "dead_letter", "sqlite_sequence"})  # fmt: skip
"""Tables that are copied by rules of their own."""

_ERRORS = (sqlite3.Error, ValueError, OverflowError, OSError, RecursionError, MemoryError)

log = logging.getLogger("castoff.store")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a damaged log. ``since`` and ``until`` are wall time in ns."""

    events: int = 0
    lost: int | None = None
    """Events that are missing; 0 for none, None where unknown."""
    since: int | None = None
    """Time of the last event before the first that may be missing; None for the beginning."""
    until: int | None = None
    """Time of the first event behind the last that may be missing; None for the end."""
    complete: bool = True
    """Whether all of the file was looked at."""


@dataclass(frozen=True, slots=True)
class SalvagedEvent:
    """An event of a damaged log: its sequence and its JSON line."""

    sequence: int
    line: bytes


def events_of(path: Path, counts: ScanCounts) -> Iterator[SalvagedEvent]:
    """Yield every event that can be read of a log, in no order; ``counts`` fills meanwhile.

    Raises OSError for a file that cannot be opened.
    """
    pages = PageFile(path)
    try:
        beside = small_tables(pages)
        unpacker = Unpacker(beside.dictionary)
        seen: set[int] = set()
        for record in pages.records(counts):
            if len(record.values) < EVENT_COLUMNS or record.rowid in seen:
                continue
            packed = record.values[EVENT_COLUMNS - 1]
            if not isinstance(packed, bytes):
                continue
            try:
                line = unpacker.unpack(packed)
            except ValueError:
                counts.damaged += 1
                continue
            seen.add(record.rowid)
            yield SalvagedEvent(record.rowid, line)
    finally:
        pages.close()


def salvage(
    path: Path,
    connection: sqlite3.Connection,
    patience: float = SALVAGE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Salvaged:
    """Copy what can be read of a damaged log into a new one that is empty. Never raises."""
    try:
        pages = PageFile(path)
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error)
        return Salvaged(complete=False)
    try:
        return _Salvage(pages, connection, clock() + patience, clock).run(path)
    except _ERRORS as error:
        log.warning("not all of %s could be salvaged: %s", path, error)
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return Salvaged(complete=False)
    finally:
        pages.close()


def salvage_sound(
    path: Path, connection: sqlite3.Connection, patience: float = SALVAGE_SECONDS
) -> Salvaged:
    """Salvage into an empty log, and empty it again if what came of it cannot be used."""
    found = salvage(path, connection, patience)
    try:
        rows = Rows(connection)
        rows.position()
        rows.cursors()
        rows.counters()
        knowledge.read(connection, 0)
        knowledge.read_ahead(connection)
    except _ERRORS as error:
        log.warning("what was salvaged of %s makes no sense: %s", path, error)
        _empty(connection)
        return Salvaged(complete=False)
    return found


_NEW_STATE = "UPDATE state SET stream = lower(hex(randomblob(8))), reserved = ?, purged = 0"


def _empty(connection: sqlite3.Connection) -> None:
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in tables:
        if name != "state" and name.isidentifier():
            connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a table of our own schema
    # Beyond every sequence of any log before: one a microsecond was never given.
    connection.execute(_NEW_STATE, (time.time_ns() // 1000,))


class _Salvage:
    """One damaged file on its way into a new log."""

    def __init__(
        self,
        pages: PageFile,
        connection: sqlite3.Connection,
        end: float,
        clock: Callable[[], float],
    ) -> None:
        self._pages = pages
        self._connection = connection
        self._end = end
        self._clock = clock
        self._beside = small_tables(pages)
        self._unpacker = Unpacker(self._beside.dictionary)
        self._counts = ScanCounts()
        self._types = {name: key for key, name in self._beside.types.items()}
        self._complete = True

    def run(self, path: Path) -> Salvaged:
        """Copy everything; returns what became of it."""
        with self._transaction():
            self._write_beside()
        rows: list[tuple[Value, ...]] = []
        for count, record in enumerate(self._pages.records(self._counts)):
            if count % _LOOK_EVERY == 0 and self._clock() > self._end:
                self._complete = False
                break
            row = self._event(record)
            if row is not None:
                rows.append(row)
            elif len(record.values) == _LETTER_COLUMNS:
                self._write_letter(record.values)
            if len(rows) >= CHUNK:
                self._write(rows)
        self._write(rows)
        self._copy_others(path)
        return self._finish()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _write_beside(self) -> None:
        beside, run = self._beside, self._connection.executemany
        run("INSERT OR IGNORE INTO type VALUES (?, ?)", list(beside.types.items()))
        run("INSERT OR IGNORE INTO boot VALUES (?, ?, ?, ?)",
            [(key, *boot) for key, boot in sorted(beside.boots.items())])  # fmt: skip
        run("INSERT OR IGNORE INTO dictionary VALUES (?, ?, ?, ?)",
            [(None, name, boot_id, line)
             for name, (_, boot_id, line) in sorted(
                 beside.dictionaries.items(), key=lambda found: found[1][0])])  # fmt: skip
        run("INSERT OR IGNORE INTO cursor VALUES (?, ?)", list(beside.cursors.items()))
        if beside.stream is not None:
            run("UPDATE state SET stream = ?", [(beside.stream,)])

    def _write(self, rows: list[tuple[Value, ...]]) -> None:
        if rows:
            with self._transaction():
                self._connection.executemany(_INSERT, rows)
            rows.clear()

    # ----------------------------------------------------------------- one event

    def _event(self, record: ScannedRow) -> tuple[Value, ...] | None:
        values = record.values
        if len(values) < EVENT_COLUMNS or not 0 < record.rowid < INT64 // 2:
            return None
        packed = values[EVENT_COLUMNS - 1]
        if values[0] is not None or not isinstance(packed, bytes):
            return None
        try:
            line = self._unpacker.unpack(packed)
            return self._row(record.rowid, values, packed, EventLine.of(line))
        except (ValueError, RecursionError):
            self._counts.damaged += 1
            return None

    def _row(
        self, sequence: int, values: tuple[Value, ...], packed: bytes, line: EventLine
    ) -> tuple[Value, ...]:
        _, id_, kind, boot, moment, lag, wall, container, name, *_ = values
        type_ = line.type or self._beside.types.get(whole(kind))
        if type_ is None:
            message = "an event without a type"
            raise ValueError(message)
        wall = line.wall if line.wall is not None else whole(wall)
        boot, moment = self._moment(sequence, whole(boot), whole(moment), wall, line.boot_id)
        lag = whole(lag) if 0 <= whole(lag) < _HOUR else 0
        if line.id is not None:
            id_, container, name = pack(line.id), line.container, line.name
        else:
            unpack(id_)
        return (
            sequence, id_, self._type(type_), boot, moment, lag, wall, container, name, packed,
            *chain_place(values),
        )  # fmt: skip

    def _moment(
        self, sequence: int, boot: int, moment: int, wall: int, boot_id: str | None
    ) -> tuple[int, int]:
        """Return the number of an event's boot, and its time since that boot."""
        known = self._beside.boots.get(boot)
        if known is None or (boot_id is not None and known[0] != boot_id):
            known = None
            for key, candidate in self._beside.boots.items():
                if boot_id is not None and candidate[0] == boot_id:
                    boot, known = key, candidate
        if known is None:
            known = (boot_id or "", sequence, wall - moment)
            boot = max(self._beside.boots, default=0) + 1
            self._beside.boots[boot] = known
            with self._transaction():
                self._connection.execute("INSERT INTO boot VALUES (?, ?, ?, ?)", (boot, *known))
        expected = wall - known[2]
        return boot, moment if abs(moment - expected) <= MOMENT_TOLERANCE else expected

    def _type(self, name: str) -> int:
        found = self._types.get(name)
        if found is None:
            with self._transaction():
                found = self._connection.execute(
                    "INSERT INTO type (name) VALUES (?)", (text(name),)
                ).lastrowid
            self._types[name] = found = found or 0
            self._beside.types[found] = name
        return found

    # ----------------------------------------------------------------- the rest

    def _write_letter(self, values: tuple[Value, ...]) -> None:
        _, output, sequence, refused, reason, id_, kind, wall, packed = values
        try:
            unpack(id_)
            self._unpacker.unpack(blob(packed))
            row = (string(output), number(sequence), number(refused), string(reason), id_,
                   number(kind), number(wall), packed)  # fmt: skip
        except ValueError:
            return
        with self._transaction():
            self._connection.execute(_LETTER, row)

    def _copy_others(self, path: Path) -> None:
        """Copy what only SQLite's own trees lead to, as far as they do."""
        with contextlib.suppress(*_ERRORS):
            source = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            with contextlib.closing(source):
                knowledge.copy(source, self._connection)
                tables = self._connection.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table'"
                ).fetchall()
                for (name,) in tables:
                    if name not in _OWN and name.isidentifier():
                        with contextlib.suppress(*_ERRORS):
                            self._copy(source, name)

    def _copy(self, source: sqlite3.Connection, table: str) -> None:
        with contextlib.closing(source.execute(f"SELECT * FROM {table}")) as rows:  # noqa: S608 - a table of our own schema
            for row in rows:
                marks = ",".join("?" * len(row))
                self._connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - a table of our own schema

    def _finish(self) -> Salvaged:
        """Note where the log stands, and look for what is missing from it."""
        first, last, events = self._connection.execute(
            "SELECT min(sequence), max(sequence), count(*) FROM event"
        ).fetchone()
        first, last = first or 0, last or 0
        beside = self._beside
        reserved = beside.reserved
        # A number that no agent can have come to is a damaged one.
        if not last <= reserved <= last + 4 * RESERVE:
            reserved = last + 2 * RESERVE
        purged = beside.purged if 0 <= beside.purged <= reserved else 0
        if first:
            purged = min(purged, first - 1)
        with self._transaction():
            self._connection.execute(
                "UPDATE state SET reserved = ?, purged = ?", (reserved, purged)
            )
            self._connection.execute("UPDATE cursor SET sequence = min(sequence, ?)", (reserved,))
            is_whole = self._complete and self._counts.is_whole
            anchors.mark_holes(self._connection, 0 if is_whole else reserved - last)
        return self._missing(purged, events)

    def _missing(self, purged: int, events: int) -> Salvaged:
        if self._complete and self._counts.is_whole:
            return Salvaged(events, lost=0)
        before, missing = purged, 0
        since: int | None = None
        until: int | None = None
        last_wall: int | None = None
        with contextlib.closing(
            self._connection.execute("SELECT sequence, wall FROM event ORDER BY sequence")
        ) as rows:
            for sequence, wall in rows:
                if sequence > before + 1:
                    since = since if missing else last_wall
                    missing += sequence - before - 1
                    until = wall
                before, last_wall = sequence, wall
        if not missing:
            # What is missing, if anything, came behind the last event.
            return Salvaged(events, None, last_wall, None, self._complete)
        exact = self._complete and not self._counts.odd and missing == self._counts.damaged
        return Salvaged(events, missing if exact else None, since, until, self._complete)

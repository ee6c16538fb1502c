"""One query on its way: which ranges of which index answer it, and their entries.

Every query is a few ranges of an index, each in the order of the log, of which the first ``rows``
are merged: of one type, of one container and type, of one name and type. So the first rows come as
fast from a million entries as from a thousand, and nothing is sorted.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store import entry
from sensor.store.compression import Unpacker
from sensor.store.entry import LogEntry, NewEntry, blob, number, string
from sensor.store.query import (
    LIMIT,
    MATCHES,
    PAGE_BYTES,
    CursorExpired,
    Extent,
    Page,
    Query,
    TooManyMatches,
)
from sensor.store.schema import LATE
from sensor.store.time_range import NodeClock, Range, Span, spans

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEXT_ID = (
    "SELECT container FROM event INDEXED BY event_container"
    " WHERE container {} ? AND container <= ? ORDER BY container LIMIT 1"
)


def extent_of(connection: sqlite3.Connection) -> Extent:
    """Return the log's ends; raises ValueError for a damaged file."""
    row = connection.execute(
        "SELECT stream, purged, (SELECT max(sequence) FROM event), reserved FROM state"
    ).fetchone()
    if row is None:
        message = "there is no state"
        raise ValueError(message)
    oldest = number(row[1])
    return Extent(string(row[0]), oldest, max(oldest, number(row[2] or 0)), number(row[3]))


@dataclass(frozen=True, slots=True)
class _Strand:
    """One range of an index: SQL with its index, a condition on equality, and its values."""

    source: str
    condition: str
    values: tuple[str | bytes | int, ...] = ()


class QueryPlan:
    """One query on its way."""

    def __init__(
        self, connection: sqlite3.Connection, query: Query, clock: NodeClock | None
    ) -> None:
        self._connection = connection
        self._query = query
        self._clock = clock
        self._limit = max(1, min(LIMIT, query.rows))
        self._extent = extent_of(connection)

    def page(self) -> Page:
        """Return the answer; raises the errors of the reader's ``read``."""
        query, extent = self._query, self._extent
        if query.after is not None and not extent.oldest <= query.after <= extent.reserved:
            raise CursorExpired(extent.oldest)
        sequences = self._sequences()
        entries: list[LogEntry] = []
        unpacker = Unpacker(self._dictionary)
        damaged = size = 0
        cursor = 0
        for sequence in sequences[: self._limit]:
            if size > PAGE_BYTES:
                break
            cursor = sequence
            try:
                entries.append(self._entry(sequence, unpacker))
                size += len(entries[-1].entry.body)
            except (ValueError, sqlite3.DataError):
                damaged += 1
        more = len(sequences) > len(entries) + damaged
        if not more and not query.newest_first:
            cursor = max(extent.newest, query.after or 0)
        return Page(tuple(entries), cursor or extent.oldest, more, damaged)

    def _sequences(self) -> list[int]:
        """Return the first sequences that answer, one more than the limit if there are."""
        query = self._query
        first = max(0 if query.after is None else query.after, self._extent.oldest) + 1
        last = self._extent.newest if query.before is None else query.before - 1
        asked = Range(first, min(last, self._extent.newest), query.since, query.until)
        found: list[int] = []
        strands = self._strands()
        stretches = spans(self._connection, asked, self._clock) if strands else ()
        for span in reversed(stretches) if query.newest_first else stretches:
            wanted = self._limit + 1 - len(found)
            within = {
                sequence for strand in strands for sequence in self._run(strand, span, wanted)
            }
            found += sorted(within, reverse=query.newest_first)[:wanted]
            if len(found) > self._limit:
                break
        return found

    def _run(self, strand: _Strand, span: Span, wanted: int) -> Iterator[int]:
        """Yield the first sequences of a strand within a span, and those that came late."""
        order = "DESC" if self._query.newest_first else "ASC"
        rest = f"time BETWEEN ? AND ? ORDER BY sequence {order} LIMIT ?"
        ranges: list[tuple[str, str, tuple[int, ...], int, int]] = [
            (strand.source, "", (), span.first, span.last)
        ]
        if span.late:
            late = f"boot = ? AND lag > {LATE} AND "
            ranges.append(
                ("event INDEXED BY event_late", late, (span.boot,), span.last + 1, span.end)
            )
        for source, condition, values, first, last in ranges:
            if first <= last:
                rows = self._connection.execute(
                    f"SELECT sequence FROM {source} WHERE {condition}{strand.condition}"  # noqa: S608 - constants; values are bound
                    f" sequence BETWEEN ? AND ? AND {rest}",
                    (*values, *strand.values, first, last, span.since, span.until, wanted),
                )
                yield from (number(row[0]) for row in rows)

    def _strands(self) -> list[_Strand]:
        query = self._query
        if query.container is None and not query.types:
            return [_Strand("event NOT INDEXED", "")]
        kinds = [
            number(row[0])
            for row in self._connection.execute("SELECT number, name FROM type ORDER BY number")
            if not query.types or row[1] in query.types
        ]
        if query.container is None:
            index = "event INDEXED BY event_type"
            return [_Strand(index, "type = ? AND", (kind,)) for kind in kinds]
        by_id = "event INDEXED BY event_container", "container = ? AND type = ? AND"
        by_name = "event INDEXED BY event_name", "name = ? AND type = ? AND"
        strands = [
            _Strand(*by_id, (id_, kind)) for id_ in self._ids(query.container) for kind in kinds
        ]
        name = entry.text(query.container)
        return strands + [_Strand(*by_name, (name, kind)) for kind in kinds]

    def _ids(self, prefix: str) -> list[str | bytes]:
        """Return the packed ids that begin so, skipping from one to the next in the index."""
        found: list[str | bytes] = []
        for low, high in entry.prefix_ranges(prefix):
            place, comparison = low, ">="
            while True:
                row = self._connection.execute(
                    _NEXT_ID.format(comparison),
                    (place, high),
                ).fetchone()
                if row is None:
                    break
                place, comparison = row[0], ">"
                found.append(place)
                if len(found) > MATCHES:
                    raise TooManyMatches(prefix)
        return found

    def _dictionary(self, name: int) -> bytes | None:
        row = self._connection.execute(
            "SELECT line FROM dictionary WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else blob(row[0])

    def _entry(self, sequence: int, unpacker: Unpacker) -> LogEntry:
        """Read one entry; raises ValueError when it makes no sense."""
        row = self._connection.execute(
            "SELECT event.id, type.name, boot.boot_id, time, wall, container, event.name, body,"
            " link"
            " FROM event LEFT JOIN type ON type.number = event.type"
            " LEFT JOIN boot ON boot.number = event.boot WHERE sequence = ?",
            (sequence,),
        ).fetchone()
        if row is None:
            message = f"entry {sequence} is in an index only"
            raise ValueError(message)
        return LogEntry(
            sequence,
            NewEntry(
                id=entry.unpack(row[0]),
                type=string(row[1]),
                time=number(row[3]),
                wall=number(row[4]),
                boot_id=string(row[2]),
                container_id=None if row[5] is None else entry.unpack(row[5]),
                name=None if row[6] is None else string(row[6]),
                body=unpacker.unpack(blob(row[7])),
            ),
            None if row[8] is None else number(row[8]),
        )

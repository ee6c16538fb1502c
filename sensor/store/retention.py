"""What is dropped from the log, and when: by bytes, by age, and when the disk is full.

The oldest go first, whatever was shipped. Deleting is done in chunks of about ``CHUNK_SECONDS``
between the writer's transactions, so that no batch waits for long. Beyond the limit of bytes it
goes on until ``LOW_WATER`` of it are left, so that it has an end.

The file does not shrink: free pages are used again. ``used`` bytes do not count them.
"""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store import anchors
from sensor.store.entry import number

if TYPE_CHECKING:
    import sqlite3

CHUNK_SECONDS = 0.02
CHUNK_FIRST = 100
CHUNK_LEAST = 10
CHUNK_MOST = 5000
LOW_WATER = 0.98

REPORT_SECONDS = 10.0
"""Seconds for which dropped entries are gathered into one report."""

NS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Missed:
    """Entries that an output never shipped: how many, and since and until when (wall, ns)."""

    count: int
    since: int
    until: int

    def merge(self, other: Missed) -> Missed:
        """Add more of the same output."""
        return Missed(
            self.count + other.count, min(self.since, other.since), max(self.until, other.until)
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """Entries that were dropped: first and last sequence, how many, and since and until when.

    Times are wall times in ns. ``unshipped`` counts for each output what it had not yet
    acknowledged; outputs that had them all are not named.
    """

    first: int
    last: int
    count: int
    since: int
    until: int
    unshipped: dict[str, Missed] = field(default_factory=dict)

    def merge(self, newer: Dropped) -> Dropped:
        """Add a chunk that follows."""
        unshipped = dict(self.unshipped)
        for name, missed in newer.unshipped.items():
            unshipped[name] = unshipped[name].merge(missed) if name in unshipped else missed
        return Dropped(
            first=self.first,
            last=newer.last,
            count=self.count + newer.count,
            since=min(self.since, newer.since),
            until=max(self.until, newer.until),
            unshipped=unshipped,
        )


def used(connection: sqlite3.Connection) -> int:
    """Return the bytes of the file that are not free."""
    pages, free, size = (
        number(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _delete(connection: sqlite3.Connection, last: int) -> None:
    """Delete the log up to ``last`` in one transaction, with the digest that follows it kept."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        anchors.keep_place(connection, last)
        connection.execute("DELETE FROM event WHERE sequence <= ?", (last,))
        connection.execute(
            "DELETE FROM boot WHERE number < (SELECT boot FROM event ORDER BY sequence LIMIT 1)"
        )
        connection.execute("UPDATE state SET purged = ?", (last,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _missed(rows: list[tuple[int, int, int]]) -> Missed:
    return Missed(len(rows), min(row[1] for row in rows), max(row[1] for row in rows))


class Retention:
    """The limits, and what was dropped to keep them.

    Belongs to the writer's thread, but for :meth:`limit`.
    """

    def __init__(self, max_bytes: int, max_age: float | None) -> None:
        """``max_age`` in seconds of the wall clock, None for no limit."""
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._chunk = CHUNK_FIRST
        self.changed = False
        """The limits are new, and have not been applied yet."""
        self._over = False
        self.dropped: Dropped | None = None
        """What was dropped since the last report."""
        self._since = 0.0

    def limit(self, max_bytes: int, max_age: float | None) -> None:
        """Set other limits, from any thread."""
        self._max_bytes, self._max_age = max_bytes, max_age
        self.changed = True

    def enforce(self, connection: sqlite3.Connection, now: int) -> bool:
        """Drop one chunk if the limits ask for it, and return whether there is more to do.

        ``now`` is the wall clock in ns. Raises what sqlite3 raises; nothing is dropped then.
        """
        self.changed = False
        size = used(connection)
        self._over = size > self._max_bytes * (LOW_WATER if self._over else 1)
        cutoff = None if self._over else self._cutoff(now)
        if not self._over and cutoff is None:
            return False
        began = time.monotonic()
        count = self.drop(connection, self._chunk, cutoff)
        if count == self._chunk:
            factor = CHUNK_SECONDS / max(time.monotonic() - began, CHUNK_SECONDS / 4)
            self._chunk = min(CHUNK_MOST, max(CHUNK_LEAST, int(self._chunk * min(2.0, factor))))
            return True
        return self._over and count > 0

    def _cutoff(self, now: int) -> int | None:
        return None if self._max_age is None else now - int(self._max_age * NS_PER_SECOND)

    def drop(self, connection: sqlite3.Connection, limit: int, cutoff: int | None = None) -> int:
        """Delete up to ``limit`` of the oldest, if need be only from before ``cutoff``; count them.

        The age of an entry is that of its place in the log: one that came late stays as long as
        its neighbours.
        """
        rows = connection.execute(
            "SELECT sequence, time + coalesce(realtime, 0), time + lag + coalesce(realtime, 0)"
            " FROM event LEFT JOIN boot ON boot.number = event.boot ORDER BY sequence LIMIT ?",
            (limit,),
        ).fetchall()
        if cutoff is not None:
            old = 0
            while old < len(rows) and rows[old][2] < cutoff:
                old += 1
            del rows[old:]
        if not rows:
            return 0
        last = rows[-1][0]
        chunk = Dropped(
            first=rows[0][0],
            last=last,
            count=len(rows),
            since=min(row[1] for row in rows),
            until=max(row[1] for row in rows),
            unshipped={
                name: _missed([row for row in rows if row[0] > sequence])
                for name, sequence in connection.execute(
                    "SELECT name, sequence FROM cursor WHERE sequence < ? ORDER BY name", (last,)
                )
            },
        )
        _delete(connection, last)
        if self.dropped is None:
            self._since = time.monotonic()
            self.dropped = chunk
        else:
            self.dropped = self.dropped.merge(chunk)
        return len(rows)

    def report(self, *, now: bool = False) -> Dropped | None:
        """Return what was dropped since the last report, when it is time for one or ``now``."""
        if self.dropped is None or not (now or time.monotonic() - self._since > REPORT_SECONDS):
            return None
        dropped, self.dropped = self.dropped, None
        return dropped

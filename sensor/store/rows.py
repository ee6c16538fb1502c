"""The statements of one transaction of the writer, and what it must know for them.

Nothing here begins or ends a transaction. What is remembered of the file (numbers of types and
boots) holds as long as no transaction is rolled back; :meth:`Rows.recall` then reads it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.store import anchors, compression, knowledge
from sensor.store.chain import digest_of
from sensor.store.entry import blob, number, pack, string, text
from sensor.store.queue import Position

if TYPE_CHECKING:
    import sqlite3

    from sensor.store.batch import PlacedEntry, WriteBatch
    from sensor.store.chain import Anchor

RESERVE = 1 << 20
"""Sequences that are reserved ahead, so that none that a follower got is ever given again: not
even when the agent is killed before it is written. A clean end gives the rest back."""

REALTIME_TOLERANCE = 1_000_000
"""ns by which wall and boot time may drift apart before the boot's row is written again."""

DICTIONARIES_KEPT = 256
"""One is learnt a boot. Beyond these a new boot uses the newest there is."""

DEAD_LETTERS = 10_000
REASON_LIMIT = 500
"""Characters of the reason of a dead letter that are kept."""

_DEAD = (
    "INSERT OR REPLACE INTO dead_letter (output, sequence, told, reason, id, type, wall, body)"
    " SELECT ?, sequence, ?, ?, id, type, wall, body FROM event WHERE sequence = ?"
)
_DEAD_AGAIN = "UPDATE dead_letter SET told = ?, reason = ? WHERE output = ? AND sequence = ?"

_EVENT = (
    "INSERT INTO event (sequence, id, type, boot, time, lag, wall, container, name, body,"
    " link, digest) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
)

Row = tuple[int | str | bytes | None, ...]


class Rows:
    """What the writer writes through one connection."""

    def __init__(self, connection: sqlite3.Connection, dead_letters: int = DEAD_LETTERS) -> None:
        """``dead_letters`` is how many of all outputs are kept."""
        self._connection = connection
        self._dead_letters = dead_letters
        self._packer = compression.Packer()
        self._learner = compression.Learner()
        self.recall()

    def recall(self) -> None:
        """Read what must be known of the file; raises ValueError for what makes no sense."""
        connection = self._connection
        stream, reserved, purged = connection.execute(
            "SELECT stream, reserved, purged FROM state"
        ).fetchone()
        self.stream = string(stream)
        self.reserved = number(reserved)
        self.purged = number(purged)
        self._types = {
            string(name): number(key)
            for name, key in connection.execute("SELECT name, number FROM type")
        }
        boot = connection.execute(
            "SELECT number, boot_id, realtime FROM boot ORDER BY number DESC LIMIT 1"
        ).fetchone()
        self._boot_id: str | None
        self._boot, self._boot_id, self._realtime = (
            (number(boot[0]), string(boot[1]), number(boot[2])) if boot else (0, None, 0)
        )
        learnt = connection.execute(
            "SELECT boot_id, line FROM dictionary ORDER BY number DESC LIMIT 1"
        ).fetchone()
        self._learnt_in = string(learnt[0]) if learnt else None
        self._packer.use(blob(learnt[1]) if learnt else compression.BUILT_IN)
        found = anchors.head(connection)
        self.chained = found is not None
        """Whether the chain has begun."""
        self.link, self.digest = found or (0, b"")
        """The chain's head: number and digest of the newest event."""

    def begin_chain(self) -> Anchor | None:
        """Begin the chain of a log that has none, within the caller's transaction."""
        if self.chained:
            return None
        anchor = anchors.begin(self._connection, self.stream)
        self.link, self.digest, self.chained = anchor.link, anchor.digest, True
        return anchor

    def position(self) -> Position:
        """Return where the log of an earlier agent ends."""
        last = self._connection.execute(
            "SELECT time + lag FROM event ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        high = number(last[0]) if last else 0
        return Position(self.reserved + 1, self._boot_id if last else None, high)

    def newest(self) -> int:
        """Return the last sequence that was ever written, 0 for none."""
        last = self._connection.execute("SELECT max(sequence) FROM event").fetchone()[0]
        return max(number(last or 0), self.purged)

    def reserve(self, waiting: int, upcoming: int) -> None:
        """Reserve sequences ahead when less than half are left.

        ``waiting`` is the first that is not written, ``upcoming`` the next that is given: where a
        file is begun in the middle of a run, the sequences before ``waiting`` are not in it.
        """
        if waiting > 1 and self.newest() == 0:
            self._connection.execute("UPDATE state SET purged = ?", (waiting - 1,))
            self.purged = waiting - 1
        if upcoming + RESERVE // 2 > self.reserved:
            self.set_reserved(upcoming + RESERVE)

    def set_reserved(self, reserved: int) -> None:
        """Write down up to which sequence followers may have seen all."""
        self._connection.execute("UPDATE state SET reserved = ?", (reserved,))
        self.reserved = reserved

    def pack(self, batch: WriteBatch) -> list[Row]:
        """Return the batch's lines as rows but for type and boot; outside of a transaction."""
        rows: list[Row] = []
        for line in batch.lines:
            entry = line.entry
            container, name = entry.container_id, entry.name
            rows.append(
                (
                    line.sequence,
                    pack(entry.id),
                    line.lag,
                    pack(container) if container is not None else None,
                    text(name) if name is not None else None,
                    self._packer.pack(entry.body),
                )
            )
        return rows

    def write(self, batch: WriteBatch, packed: list[Row]) -> int:
        """Write the batch within the caller's transaction; returns how many entries were new."""
        rows = self._rows_of(batch, packed)
        new = self._insert(rows, batch) if rows else 0
        self._learn(batch)
        if batch.note is not None:
            knowledge.write(self._connection, batch.note)
        if batch.ahead:
            knowledge.write_ahead(self._connection, batch.ahead.values())
        self._write_dead(batch)
        self._write_judged(batch)
        self._write_positions(batch)
        return new

    def _rows_of(self, batch: WriteBatch, packed: list[Row]) -> list[Row]:
        rows: list[Row] = []
        for line, (sequence, id_, lag, container, name, packed_body) in zip(
            batch.lines, packed, strict=True
        ):
            entry = line.entry
            boot = self._boot_of(line)
            kind = self._types.get(entry.type) or self._new_type(entry.type)
            rows.append(
                (
                    sequence,
                    id_,
                    kind,
                    boot,
                    entry.time,
                    lag,
                    entry.wall,
                    container,
                    name,
                    packed_body,
                )
            )
        return rows

    def _insert(self, rows: list[Row], batch: WriteBatch) -> int:
        """Insert rows and continue the chain with them; returns how many were new."""
        bodies = [line.entry.body for line in batch.lines]
        linked, link, digest = self._linked(rows, bodies)
        if self._connection.executemany(_EVENT, linked).rowcount == len(linked):
            self.link, self.digest = link, digest
            return len(linked)
        # Some are in the log already, as after a kill: they have their place in the chain.
        self._connection.execute(
            "DELETE FROM event WHERE sequence BETWEEN ? AND ?", (rows[0][0], rows[-1][0])
        )
        kept: list[tuple[Row, bytes]] = []
        seen: set[int | str | bytes | None] = set()
        for row, body in zip(rows, bodies, strict=True):
            found = self._connection.execute(
                "SELECT 1 FROM event WHERE id = ?", (row[1],)
            ).fetchone()
            if found is None and row[1] not in seen:
                seen.add(row[1])
                kept.append((row, body))
        linked, link, digest = self._linked([row for row, _ in kept], [body for _, body in kept])
        self._connection.executemany(_EVENT, linked)
        self.link, self.digest = link, digest
        return len(linked)

    def _linked(self, rows: list[Row], bodies: list[bytes]) -> tuple[list[Row], int, bytes]:
        """Return rows with their places in the chain, and the chain's head behind them."""
        link, digest = self.link, self.digest
        linked: list[Row] = []
        for row, body in zip(rows, bodies, strict=True):
            link += 1
            digest = digest_of(digest, link, body)
            linked.append((*row, link, digest))
        return linked, link, digest

    def _boot_of(self, line: PlacedEntry) -> int:
        entry = line.entry
        boot_id, realtime = text(entry.boot_id), entry.wall - entry.time
        if boot_id != self._boot_id:
            self._boot = (
                self._connection.execute(
                    "INSERT INTO boot (boot_id, start, realtime) VALUES (?, ?, ?)",
                    (boot_id, line.sequence, realtime),
                ).lastrowid
                or 0
            )
            self._boot_id, self._realtime = boot_id, realtime
        elif abs(realtime - self._realtime) > REALTIME_TOLERANCE:
            self._connection.execute(
                "UPDATE boot SET realtime = ? WHERE number = ?", (realtime, self._boot)
            )
            self._realtime = realtime
        return self._boot

    def _new_type(self, name: str) -> int:
        key = self._connection.execute(
            "INSERT INTO type (name) VALUES (?)", (text(name),)
        ).lastrowid
        self._types[name] = key or 0
        return self._types[name]

    def _learn(self, batch: WriteBatch) -> None:
        if self._learnt_in == self._boot_id:
            return
        for line in batch.lines:
            learnt = self._learner.show(line.entry.type, line.entry.body)
            if learnt is None:
                continue
            self._learnt_in = self._boot_id
            self._learner = compression.Learner()
            kept = self._connection.execute(
                "INSERT OR IGNORE INTO dictionary (name, boot_id, line)"
                " SELECT ?, ?, ? WHERE (SELECT count(*) FROM dictionary) < ?",
                (compression.name_of(learnt), self._boot_id, learnt, DICTIONARIES_KEPT),
            )
            if kept.rowcount:
                self._packer.use(learnt)
            return

    def _write_positions(self, batch: WriteBatch) -> None:
        for name in batch.forgotten:
            self._connection.execute("DELETE FROM cursor WHERE name = ?", (text(name),))
            self._connection.execute("DELETE FROM dead_letter WHERE output = ?", (text(name),))
        for name, sequence in batch.cursors.items():
            if sequence is None:
                self._connection.execute("DELETE FROM cursor WHERE name = ?", (text(name),))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO cursor VALUES (?, ?)", (text(name), sequence)
                )
        for boot_id in {boot_id for boot_id, _ in batch.counters.values()}:
            # Those of a boot that is over mean nothing: so there are never many.
            self._connection.execute("DELETE FROM counter WHERE boot_id <> ?", (text(boot_id),))
        self._connection.executemany(
            "INSERT OR REPLACE INTO counter VALUES (?, ?, ?)",
            [
                (text(name), text(boot_id), value)
                for name, (boot_id, value) in batch.counters.items()
            ],
        )

    def _write_judged(self, batch: WriteBatch) -> None:
        if not batch.judged:
            return
        rows = [(kind, text(key), value) for (kind, key), value in batch.judged.items()]
        # Each key occurs once, so their order means nothing.
        self._connection.executemany(
            "DELETE FROM judged WHERE kind = ? AND key = ?",
            [(kind, key) for kind, key, value in rows if value is None],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO judged VALUES (?, ?, ?)",
            [row for row in rows if row[2] is not None],
        )

    def _write_dead(self, batch: WriteBatch) -> None:
        """Copy what was refused out of the log, and remove what was delivered after all."""
        for (output, sequence), letter in batch.dead.items():
            key = text(output), sequence
            if letter is None:
                self._connection.execute(
                    "DELETE FROM dead_letter WHERE output = ? AND sequence = ?", key
                )
                continue
            reason = text(letter.reason[:REASON_LIMIT])
            again = self._connection.execute(_DEAD_AGAIN, (letter.refused_wall, reason, *key))
            if not again.rowcount:
                self._connection.execute(_DEAD, (key[0], letter.refused_wall, reason, sequence))

    def bound_dead(self) -> int:
        """Remove the oldest dead letters beyond the limit, within the transaction; count them."""
        return self._connection.execute(
            "DELETE FROM dead_letter WHERE number <= (SELECT number FROM dead_letter"
            " ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (self._dead_letters,),
        ).rowcount

    def cursors(self) -> dict[str, int]:
        """Return every output's cursor."""
        rows = self._connection.execute("SELECT name, sequence FROM cursor")
        return {string(name): number(sequence) for name, sequence in rows}

    def judged(self) -> dict[tuple[str, str], bytes]:
        """Return what the judge remembers, by kind and key."""
        rows = self._connection.execute("SELECT kind, key, value FROM judged")
        return {(string(kind), string(key)): blob(value) for kind, key, value in rows}

    def counters(self) -> dict[str, tuple[str, int]]:
        """Return every counter's boot id and value."""
        rows = self._connection.execute("SELECT name, boot_id, value FROM counter")
        return {string(name): (string(boot_id), number(value)) for name, boot_id, value in rows}

"""The one thread that writes, and what it does when the disk does not.

    take a batch ─▶ one transaction ─▶ report ─▶ drop what the limits ask for ─▶ …
                          │ fails
        FULL    nothing fits below the cap, or on the disk: free the ballast, drop the oldest
                entries, at most ``ROUNDS`` times for one batch; when that is not enough, as DISK
        DISK    read-only, I/O error, no rights: the batch waits, the file is opened again and the
                batch written again after ``RETRY_FIRST`` to ``RETRY_LAST`` seconds
        DAMAGE  the file is moved aside, a new one is begun, and the batch written there
        VALUE   something in the batch cannot be written: its entries are counted as lost

While a batch waits the queue fills up to its limit, and newer entries are counted as lost. Nothing
of this reaches the event loop but by the calls of :class:`Callbacks`.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.errors import StateUnusable
from sensor.store import anchors
from sensor.store.disk_space import DiskSpace
from sensor.store.errors import Error, ErrorKind, kind_of
from sensor.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensor.model.log_head import LogHead
    from sensor.store.batch import WriteBatch
    from sensor.store.callbacks import Callbacks
    from sensor.store.chain import Anchor
    from sensor.store.database import Database
    from sensor.store.queue import Queue
    from sensor.store.retention import Retention
    from sensor.store.salvage import Salvaged

RETRY_FIRST = 0.1
RETRY_LAST = 5.0

ROUNDS = 16
"""Attempts for one batch at making room before it waits."""

ROOM_ENTRIES = 200
"""Entries that are dropped in one of them."""

SPACE_SECONDS = 10.0
"""Seconds after which the free space is looked at again."""

LIMITS_SECONDS = 1.0
LIMITS_ENTRIES = 1000
"""The limits are looked at when so much time has passed, or so much was written, since the last
time: looking costs a transaction as much as writing a start does."""

IDLE_SECONDS = 60.0
"""Seconds after which the limits are looked at when nothing is written."""

log = logging.getLogger("castoff.store")

_ERRORS = (sqlite3.Error, ValueError, OverflowError, OSError, StateUnusable)


class Writer:
    """Writes batches until the queue is closed. Everything but ``health`` is of its thread."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        retention: Retention,
        listener: Callbacks,
        dead_letters: int,
        salvaged: Callable[[], Salvaged],
    ) -> None:
        self._salvaged = salvaged
        self._reported = database.moved_aside
        """The damaged file that the callbacks know of."""
        self._anchored: Path | None = None
        """The damaged file whose loss the chain's head has reported."""
        self._dead_letters = dead_letters
        self._database = database
        self._queue = queue
        self._retention = retention
        self._listener = listener
        self._space = DiskSpace(database.path.parent)
        self._connection: sqlite3.Connection | None = None
        self._rows: Rows | None = None
        self._looked = float("-inf")
        self._limited = float("-inf")
        """When the limits were looked at last, and what was written since."""
        self._unlimited = 0
        self.failing: str | None = None
        self.stream: str | None = None
        self.head: LogHead | None = None
        """The chain's head as it was written last."""
        self.duplicates = 0
        self.dead_dropped = 0
        self.commits = 0

    # ----------------------------------------------------------------- the file

    def adopt(self, connection: sqlite3.Connection, rows: Rows) -> None:
        """Take over an open file, reserve sequences in it, and bring the queue in line with it.

        Raises what sqlite3 raises.
        """
        self._connection, self._rows = connection, rows
        self._looked = float("-inf")
        newest = rows.newest()
        if self._queue.first_waiting() <= newest:
            self._queue.renumber(max(newest, rows.reserved))
        begun: Anchor | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            rows.reserve(self._queue.first_waiting(), self._queue.next)
            begun = rows.begin_chain()
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if kind_of(self._database.path, error) is not ErrorKind.FULL:
                raise
            # The next batch makes room and reserves with it.
            self._roll_back()
        self.stream = rows.stream
        self._opened(connection, rows, begun)

    def _opened(self, connection: sqlite3.Connection, rows: Rows, begun: Anchor | None) -> None:
        """Report a log's head when it is opened first, and when its chain begins anew."""
        if not rows.chained:
            return
        known, fresh = self.head, begun
        if fresh is None and self._database.moved_aside != self._anchored:
            fresh = anchors.newest_salvage(connection)
        self._anchored = self._database.moved_aside
        self.head = anchors.log_head(connection, rows.stream, rows.link, rows.digest, fresh)
        if known is None or fresh is not None:
            self._tell(self._listener.opened, self.head)

    def _open(self) -> Rows:
        """Return the open file, opening it if need be."""
        if self._rows is None:
            connection = self._database.open()
            moved_aside = self._database.moved_aside
            if moved_aside is not None and moved_aside != self._reported:
                self._reported = moved_aside
                self._tell(self._listener.moved_aside, moved_aside, self._salvaged())
            try:
                self.adopt(connection, Rows(connection, self._dead_letters))
            except BaseException:
                self._release()
                connection.close()
                raise
        if self._rows is None:
            message = "adopt keeps the rows"
            raise AssertionError(message)
        return self._rows

    def disown(self) -> None:
        """Close the file; the next batch opens it again."""
        self._release()

    def _release(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._rows = None

    # ----------------------------------------------------------------- the loop

    def run(self) -> None:
        """Write until the queue is closed and empty, or closed and unwritable."""
        more = False
        while True:
            batch = self._queue.take(0 if more else IDLE_SECONDS)
            if batch is not None:
                if not self._write(batch):
                    break
                # Reported first: a waiter for the batch may ask what is durable.
                if batch.tokens:
                    self._tell(self._listener.durable, batch.tokens[-1])
                self._queue.done(batch)
                self._settle()
            elif self._queue.closed:
                break
            more = (
                not self.failing and (more or self._limits_are_due(batch)) and self._keep_limits()
            )
        self._end()

    def _limits_are_due(self, batch: WriteBatch | None) -> bool:
        self._unlimited += len(batch.lines) if batch is not None else LIMITS_ENTRIES
        now = time.monotonic()
        early = self._unlimited < LIMITS_ENTRIES and now - self._limited < LIMITS_SECONDS
        if early and not self._retention.changed:
            return False
        self._unlimited, self._limited = 0, now
        return True

    def _write(self, batch: WriteBatch) -> bool:
        """Write the batch, however long it takes; false when the queue was closed meanwhile."""
        delay, rounds = RETRY_FIRST, 0
        while True:
            try:
                self._commit(batch)
            except _ERRORS as error:
                what = self._kind_of(error)
                self._roll_back()
                if what is ErrorKind.VALUE:
                    message = "%d entries cannot be written: %s"
                    log.error(message, len(batch.lines), error)
                    if not batch.lines:
                        return True
                    # What else stands in the batch may be fit to be written.
                    self._queue.give_up(batch, list(batch.lines))
                    continue
                if rounds < ROUNDS and self._make_room(what):
                    rounds += 1
                    continue
                if what is ErrorKind.DAMAGE and self._begin_anew():
                    continue
                self.fail(str(error))
                if self._queue.closed:
                    return False
                if what is ErrorKind.DISK:
                    self._release()
                self._queue.sleep(delay)
                delay = min(delay * 2, RETRY_LAST)
            else:
                return True

    def _commit(self, batch: WriteBatch) -> None:
        if not batch.writes:
            return
        rows = self._open()
        connection = self._connection
        if connection is None:
            return
        self._watch_space(connection)
        packed = rows.pack(batch)
        connection.execute("BEGIN IMMEDIATE")
        begun = rows.begin_chain()
        new = rows.write(batch, packed)
        dropped = rows.bound_dead() if batch.dead else 0
        rows.reserve(self._queue.first_waiting(), self._queue.next)
        connection.execute("COMMIT")
        if self.head is None or begun is not None:
            self._opened(connection, rows, begun)
        elif new:
            self.head = replace(
                self.head,
                sequence=rows.link,
                digest=rows.digest.hex(),
                oldest=self.head.oldest or rows.link - new + 1,
                broken=None,
                skipped=None,
            )
        self.duplicates += len(batch.lines) - new
        self.dead_dropped += dropped
        self.commits += 1
        if batch.lines:
            self._tell(self._listener.written, batch.lines[-1].sequence, new)

    def _settle(self) -> None:
        """Report that writing works again, if it did not."""
        loss = self._queue.loss_if_calm()
        if self.failing is not None or loss is not None:
            self.failing = None
            self._tell(self._listener.recovered, loss)

    def _keep_limits(self) -> bool:
        """Drop one chunk if the limits ask for it; true when there is more to drop."""
        if self._connection is None:
            return False
        more = False
        try:
            dropped = self._retention.dropped
            more = self._retention.enforce(self._connection, time.time_ns())
            if self._retention.dropped is not dropped:
                self._see_oldest()
        except _ERRORS as error:
            # All but damage to what is old is met by the next batch, too, and dealt with there.
            log.debug("the log's limits could not be kept: %s", error)
            if self._kind_of(error) is ErrorKind.DAMAGE:
                self._begin_anew()
        self._report()
        return more

    def _end(self) -> None:
        if self._rows is not None and self._connection is not None:
            with contextlib.suppress(*_ERRORS):
                self._rows.set_reserved(max(self._queue.next - 1, self._rows.newest()))
        self._report(now=True)
        self._release()

    # ----------------------------------------------------------------- trouble

    def _kind_of(self, error: Error | StateUnusable) -> ErrorKind:
        if isinstance(error, StateUnusable):
            return ErrorKind.DISK
        return kind_of(self._database.path, error)

    def _roll_back(self) -> None:
        if self._connection is None or self._rows is None:
            return
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._rows.recall()
        except (sqlite3.Error, ValueError):
            self._release()

    def fail(self, reason: str) -> None:
        """Say that nothing can be written, once."""
        if self.failing is None:
            log.error("events cannot be kept in %s: %s", self._database.path, reason)
            self._tell(self._listener.failing, reason)
        self.failing = reason

    def _make_room(self, what: ErrorKind) -> bool:
        """Free the ballast or drop the oldest entries; false when that does not help.

        On a disk without any space SQLite may fail with other errors than FULL.
        """
        freed = dropped = False
        try:
            if what is not ErrorKind.FULL and not self._space.is_full():
                return False
            freed = self._space.drop_ballast()
            if self._connection is not None and what is ErrorKind.FULL:
                self._space.cap(self._connection)
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                dropped = self._retention.drop(self._connection, ROOM_ENTRIES) > 0
                self._see_oldest()
        except (sqlite3.Error, OSError) as error:
            log.debug("no room could be made: %s", error)
        return freed or dropped

    def _begin_anew(self) -> bool:
        """Move the file aside; the next attempt begins a new one."""
        self._release()
        try:
            if not self._database.move_aside():
                return False
        except OSError as error:
            log.warning("the damaged log cannot be moved aside: %s", error)
            return False
        return True

    def _watch_space(self, connection: sqlite3.Connection) -> None:
        now = time.monotonic()
        if now - self._looked < SPACE_SECONDS:
            return
        self._looked = now
        try:
            self._space.make_ballast()
        except OSError as error:
            log.debug("no ballast: %s", error)
        self._space.cap(connection)

    def _see_oldest(self) -> None:
        """Note which event is the oldest of the chain, after some were dropped."""
        if self._connection is not None and self.head is not None:
            self.head = replace(self.head, oldest=anchors.oldest(self._connection))

    def _report(self, *, now: bool = False) -> None:
        dropped = self._retention.report(now=now)
        if dropped is not None:
            self._tell(self._listener.dropped, dropped)

    @staticmethod
    def _tell(call: Callable[..., None], *what: object) -> None:
        with contextlib.suppress(RuntimeError):
            call(*what)

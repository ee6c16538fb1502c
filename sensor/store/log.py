"""The event log and what belongs to it, as the agent writes it.

Sequences are given in memory, so that followers get events at once. They rise and are never given
twice; they are not dense. A hole is an entry that was there already (a record of the kernel's rings
that was read again after a kill: equal event id), one that was lost (``recovered`` reports it), or
one that an agent gave and was killed before it wrote. A cursor is the last sequence that a reader
has seen: what is read after it is right whatever holes there are. What a follower got may be lost
with the agent; read again from the rings it has the same id and a higher sequence.

A file that is begun anew has another ``stream``: cursors of one stream mean nothing in another.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store import knowledge
from sensor.store.callbacks import Callbacks
from sensor.store.database import Database
from sensor.store.disk_space import DiskSpace
from sensor.store.errors import ErrorKind, is_wrong_place, kind_of
from sensor.store.knowledge import Key, KnowledgeNote
from sensor.store.queue import GROUP_SECONDS, QUEUE_BYTES, Position, Queue
from sensor.store.retention import Retention
from sensor.store.rows import DEAD_LETTERS, Rows
from sensor.store.salvage import Salvaged, salvage_sound
from sensor.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensor.model.inventory import KnowledgeRestored, KnownContainer
    from sensor.model.log_head import LogHead
    from sensor.store.batch import DeadLetter, JudgedRows, WriteBatch
    from sensor.store.entry import LogEntry, NewEntry

SYNCS = {"full": "FULL", "normal": "NORMAL"}
"""``full``: what is reported durable outlasts a power cut; ``normal``: only a kill."""

MAX_BYTES = 1 << 30

CLOSE_SECONDS = 5.0

OPENINGS = 3
"""Attempts at opening: as it is, without the ballast, with the damaged file moved aside."""

log = logging.getLogger("castoff.store")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """``store.*`` of the configuration. ``max_age`` is in seconds, None for no limit."""

    sync: str = "full"
    max_bytes: int = MAX_BYTES
    max_age: float | None = None
    queue_bytes: int = QUEUE_BYTES
    dead_letters: int = DEAD_LETTERS
    group_seconds: float = GROUP_SECONDS
    """Longest time that an event waits for others, to be written with them."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store is doing. ``failing`` is the reason for which nothing is written, if so."""

    stream: str | None
    failing: str | None
    next: int
    waiting_bytes: int
    lost: int
    duplicates: int
    commits: int
    moved_aside: Path | None
    dead_dropped: int = 0
    """Dead letters that had to go because there were too many."""
    head: LogHead | None = None
    """Where the chain of digests stands; None while the log is not open."""


class Store:
    """The state directory's database, written by one thread.

    Nothing here waits for the disk but the constructor, :meth:`flush` and :meth:`close`.
    """

    def __init__(
        self,
        directory: Path,
        settings: StoreSettings | None = None,
        listener: Callbacks | None = None,
    ) -> None:
        """Open or make the database and begin to write.

        A damaged file is moved aside and reported to the callbacks. A full or failing disk is not
        an error: entries then wait until it works. Raises :class:`StateUnusable` when the directory
        is missing or may not be written, and for a file of a newer version.
        """
        settings = settings or StoreSettings()
        self._dead_letters = settings.dead_letters
        self.salvaged = Salvaged()
        """What was read of the file that was moved aside last."""
        self._database = Database(directory, sync=SYNCS[settings.sync], salvage=self._salvage)
        self._restored: KnowledgeRestored | None = None
        self._ahead: tuple[KnownContainer, ...] = ()
        self._unopened = "it is damaged again and again"
        self.cursors: Mapping[str, int] = {}
        """Where the outputs stood when the store was opened."""
        self._counters: Mapping[str, tuple[str, int]] = {}
        self._judged: Mapping[tuple[str, str], bytes] = {}
        connection, rows = self._open()
        position = Position(time.time_ns() // 1000) if rows is None else rows.position()
        self._queue = Queue(position, settings.queue_bytes, settings.group_seconds)
        self._retention = Retention(settings.max_bytes, settings.max_age)
        self._writer = Writer(
            self._database,
            self._queue,
            self._retention,
            listener or Callbacks(),
            settings.dead_letters,
            lambda: self.salvaged,
        )
        self._begin(connection, rows, listener)
        self._thread = threading.Thread(target=self._writer.run, name="castoff-store", daemon=True)
        self._thread.start()

    def _begin(
        self, connection: sqlite3.Connection | None, rows: Rows | None, listener: Callbacks | None
    ) -> None:
        if connection is None or rows is None:
            self._writer.fail(self._unopened)
        else:
            try:
                self._writer.adopt(connection, rows)
            except sqlite3.Error as error:
                # The writer opens it again, as often as it takes.
                log.warning("%s cannot be written yet: %s", self._database.path, error)
                self._writer.disown()
        if listener is not None and self._database.moved_aside is not None:
            listener.moved_aside(self._database.moved_aside, self.salvaged)

    def _salvage(self, path: Path, connection: sqlite3.Connection) -> None:
        self.salvaged = salvage_sound(path, connection)
        log.warning("%d events were salvaged from %s", self.salvaged.events, path)

    def _open(self) -> tuple[sqlite3.Connection | None, Rows | None]:
        """Open the file and read what an earlier agent left, if the disk lets us."""
        space = DiskSpace(self._database.path.parent)
        for _ in range(OPENINGS):
            connection = None
            try:
                connection = self._database.open()
                rows = Rows(connection, self._dead_letters)
                rows.position()
                self._restored = knowledge.read(connection, 0)
                self._ahead = knowledge.read_ahead(connection)
                self.cursors = rows.cursors()
                self._counters = rows.counters()
                self._judged = rows.judged()
            except (sqlite3.Error, ValueError, OSError) as error:
                if connection is not None:
                    connection.close()
                if is_wrong_place(self._database.path, error):
                    raise self._database.unusable(error) from error
                if kind_of(self._database.path, error) is not ErrorKind.DAMAGE:
                    with contextlib.suppress(OSError):
                        if space.drop_ballast():
                            continue
                    self._unopened = str(error)
                    break
                self._database.move_aside()
            else:
                return connection, rows
        return None, None

    @property
    def path(self) -> Path:
        """The database's file, for :class:`~sensor.store.reader.LogReader`."""
        return self._database.path

    def restored(self, now: int, boot_id: str) -> KnowledgeRestored | None:
        """Return what an earlier agent knew, once; ``now`` is ns since boot.

        ``boot_id`` is the present boot: of an earlier one, what its last events left is known, too.
        """
        noted, self._restored = self._restored, None
        ahead, self._ahead = self._ahead, ()
        return knowledge.completed(noted, ahead, boot_id, now)

    def take_judged(self) -> Mapping[tuple[str, str], bytes]:
        """Return what the judge of an earlier agent remembered, by kind and key, once."""
        judged, self._judged = self._judged, {}
        return judged

    def last_counter(self, name: str) -> int | None:
        """Return a counter as it stood when the store was opened, of whatever boot it was."""
        found = self._counters.get(name)
        return None if found is None else found[1]

    def counters(self, boot_id: str) -> dict[str, int]:
        """Return the counters of this boot as they stood when the store was opened."""
        return {name: value for name, (boot, value) in self._counters.items() if boot == boot_id}

    # ----------------------------------------------------------------- writing

    def append(
        self,
        entries: Sequence[NewEntry],
        judged: Sequence[JudgedRows | None] | None = None,
        known: Sequence[Mapping[Key, KnownContainer]] = (),
    ) -> range:
        """Take entries to be written and return their sequences.

        ``judged`` are the rows of the judge that follow from each: both are kept, or neither. An
        entry with None is kept with the entry before it. ``known`` are the containers as each
        entry left them: a next boot knows them, also where no :meth:`note` followed.
        Beyond ``queue_bytes`` that wait, the newest are refused and counted; ``recovered`` reports
        them.
        """
        return self._queue.append(entries, judged, [_fitting(one) for one in known])

    def note(
        self,
        boot_id: str,
        seen: int,
        changed: tuple[KnownContainer, ...],
        forgotten: tuple[Key, ...],
    ) -> None:
        """Have knowledge written with the entries before it, never before them."""
        fitting = tuple(known for known in changed if knowledge.fits(known))
        if len(fitting) < len(changed):
            log.warning("%d containers cannot be kept", len(changed) - len(fitting))

        def change(batch: WriteBatch) -> None:
            if batch.note is None:
                batch.note = KnowledgeNote(boot_id, seen)
            batch.note.merge(boot_id, seen, fitting, forgotten)
            for key in (*((known.id, known.scope) for known in fitting), *forgotten):
                batch.ahead.pop(key, None)

        self._queue.put(change)

    def mark(self, token: object) -> None:
        """Have ``Callbacks.durable`` called with ``token`` once everything before it is on disk."""

        def change(batch: WriteBatch) -> None:
            batch.tokens[:] = [token]

        self._queue.put(change)

    def is_behind(self) -> bool:
        """Return whether the disk works, and half of what may wait for it does wait."""
        return self._writer.failing is None and 2 * self._queue.bytes > self._queue.limit

    def limit(self, max_bytes: int, max_age: float | None) -> None:
        """Set other limits than at the start; the writer keeps them from its next look on."""
        self._retention.limit(max_bytes, max_age)

    def count(self, boot_id: str, counters: Mapping[str, int]) -> None:
        """Keep values of counters of this boot, with the entries before them."""
        values = {name: (boot_id, value) for name, value in counters.items()}
        self._queue.put(lambda batch: batch.counters.update(values))

    def keep_judged(self, rows: Sequence[tuple[str, str, bytes | None]]) -> None:
        """Keep what the judge remembers, with the entries before it; None removes a row."""
        values = {(kind, key): value for kind, key, value in rows}
        self._queue.put(lambda batch: batch.judged.update(values))

    def acknowledge(self, output: str, sequence: int | None) -> None:
        """Keep an output's cursor, the last sequence that it has seen off; None forgets it."""
        self._queue.put(lambda batch: batch.cursors.update({output: sequence}))

    def add_dead_letters(self, output: str, letters: Sequence[DeadLetter]) -> None:
        """Keep what an output's collector refused, before any later cursor."""
        found: dict[tuple[str, int], DeadLetter | None] = {
            (output, letter.sequence): letter for letter in letters
        }
        self._queue.put(lambda batch: batch.dead.update(found))

    def remove_dead_letters(self, output: str, sequences: Sequence[int]) -> None:
        """Remove dead letters that were delivered after all."""
        found = {(output, sequence): None for sequence in sequences}
        self._queue.put(lambda batch: batch.dead.update(found))

    def forget(self, output: str) -> None:
        """Remove an output's cursor and dead letters: it is configured no more."""
        self._queue.put(lambda batch: batch.forgotten.add(output))

    def unwritten(self, after: int = 0) -> tuple[LogEntry, ...]:
        """Return the entries beyond ``after`` that wait for the disk.

        Who wants everything takes these first and reads the log then: an entry may be in both.
        """
        return self._queue.unwritten(after)

    # ----------------------------------------------------------------- health and end

    def health(self) -> StoreHealth:
        """Return how the store is doing."""
        ended = None if self._thread.is_alive() or self._queue.closed else "the writer has ended"
        return StoreHealth(
            stream=self._writer.stream,
            failing=self._writer.failing or ended,
            next=self._queue.next,
            waiting_bytes=self._queue.bytes,
            lost=self._queue.lost,
            duplicates=self._writer.duplicates,
            commits=self._writer.commits,
            moved_aside=self._database.moved_aside,
            dead_dropped=self._writer.dead_dropped,
            head=self._writer.head,
        )

    def flush(self, patience: float) -> bool:
        """Wait up to ``patience`` seconds for all that was given; returns whether it is on disk."""
        return self._queue.wait_written(patience)

    def close(self, patience: float = CLOSE_SECONDS) -> bool:
        """Write what waits, as far as the disk allows, and end; return whether all was written."""
        written = self.flush(0.0 if self._queue.closed else patience)
        self._queue.close()
        self._thread.join(patience)
        return written


def _fitting(known: Mapping[Key, KnownContainer]) -> Mapping[Key, KnownContainer]:
    """Leave out what SQLite takes no number of; a note says so."""
    if all(map(knowledge.fits, known.values())):
        return known
    return {key: one for key, one in known.items() if knowledge.fits(one)}

"""What waits to be written: batches, each of which becomes one transaction.

Rules:

- batches are written in order, each whole or not at all: what is noted, marked or counted stands in
  the transaction of the entries before it, or in a later one, never in an earlier one;
- a batch is ready when it holds ``GROUP_ENTRIES``, when it is ``group_seconds`` old, when another
  one follows it, or when a caller waits for it; while it is written, the next one grows;
- every entry gets a sequence at once, also one that is refused: followers have it, the log
  has a hole;
- entries beyond the limit of bytes are refused, the newest first. Notes, cursors and marks are
  never refused: they are merged with those that wait, and so need no limit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.store.batch import JudgedRows, LostEntries, PlacedEntry, WriteBatch
from sensor.store.entry import BODY_LIMIT, INT64, LogEntry, NewEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sensor.model.inventory import KnownContainer
    from sensor.store.knowledge import Key

GROUP_ENTRIES = 100
FOLLOWERS_MAX = 2 * GROUP_ENTRIES
"""Entries of a batch with those that belong to its last one: the alerts of a start."""
GROUP_SECONDS = 0.1
"""A commit costs as much as a start does. Meanwhile the entries can be read, and the
kernel keeps the records that led to them."""

QUEUE_BYTES = 16 << 20
"""Bytes of entries that may wait for the disk: about 6,000 starts."""


@dataclass(slots=True)
class Position:
    """Where the log stands: the next sequence, and the latest time of which boot."""

    next: int
    boot_id: str | None = None
    high: int = 0


class Queue:
    """The batches between the event loop and the writer; every method is safe in any thread."""

    def __init__(
        self,
        position: Position,
        limit: int = QUEUE_BYTES,
        group_seconds: float = GROUP_SECONDS,
    ) -> None:
        self._position = position
        self._limit = limit
        self._group_seconds = group_seconds
        self._batches: deque[WriteBatch] = deque()
        self._bytes = 0
        self._loss: LostEntries | None = None
        self._lost = 0
        self._hurry = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def next(self) -> int:
        """The sequence that the next entry gets."""
        return self._position.next

    @property
    def limit(self) -> int:
        """Bytes that may wait."""
        return self._limit

    @property
    def bytes(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def lost(self) -> int:
        """Entries that were not kept since the start."""
        return self._lost

    # ----------------------------------------------------------------- in

    def append(
        self,
        entries: Sequence[NewEntry],
        judged: Sequence[JudgedRows | None] | None = None,
        known: Sequence[Mapping[Key, KnownContainer]] = (),
    ) -> range:
        """Give the entries their sequences; never blocks for longer than the lock is held.

        ``judged`` are the rows that follow from each entry: they stand in its transaction. An
        entry with None instead stands in the transaction of the entry before it. ``known`` are the
        containers as each entry left them; they stand in its transaction, too.
        """
        with self._changed:
            first = self._position.next
            for number, entry in enumerate(entries):
                rows: JudgedRows | None = {} if judged is None else judged[number]
                self._append(entry, GROUP_ENTRIES if rows is not None else FOLLOWERS_MAX)
                if rows:
                    self._open_batch(FOLLOWERS_MAX).judged.update(rows)
                if number < len(known) and known[number]:
                    self._open_batch(FOLLOWERS_MAX + 1).ahead.update(known[number])
            return range(first, self._position.next)

    def _append(self, entry: NewEntry, limit: int) -> None:
        position = self._position
        sequence = position.next
        position.next += 1
        too_much = self._bytes + entry.cost > self._limit or len(entry.body) > BODY_LIMIT
        if too_much or not -INT64 < entry.time < INT64 or not -INT64 < entry.wall < INT64:
            self._lose(entry)
            return
        if position.boot_id != entry.boot_id:
            position.boot_id, position.high = entry.boot_id, entry.time
        position.high = max(position.high, entry.time)
        self._bytes += entry.cost
        batch = self._open_batch(limit)
        batch.lines.append(PlacedEntry(sequence, position.high - entry.time, entry))
        if len(batch.lines) >= GROUP_ENTRIES:
            self._changed.notify_all()

    def _open_batch(self, limit: int) -> WriteBatch:
        if self._batches:
            last = self._batches[-1]
            if not last.taken and len(last.lines) < limit:
                return last
        batch = WriteBatch(opened=time.monotonic())
        self._batches.append(batch)
        self._changed.notify_all()
        return batch

    def _lose(self, entry: NewEntry) -> None:
        self._lost += 1
        loss = self._loss or LostEntries(entry.time, entry.time, 0)
        self._loss = loss.add(entry)

    def put(self, change: Callable[[WriteBatch], None]) -> None:
        """Change the last batch: everything appended so far stands in it or before it."""
        with self._changed:
            # Beyond GROUP_ENTRIES nothing is appended to it, but it still takes this.
            change(self._open_batch(GROUP_ENTRIES + 1))

    # ----------------------------------------------------------------- out

    def take(self, patience: float) -> WriteBatch | None:
        """Wait up to ``patience`` seconds for a batch that is ready; it stays the first."""
        end = time.monotonic() + patience
        with self._changed:
            while True:
                now = time.monotonic()
                wait = end - now
                if self._batches:
                    batch = self._batches[0]
                    ready = batch.opened + self._group_seconds - now
                    if ready <= 0 or self._is_ready(batch):
                        batch.taken = True
                        return batch
                    wait = ready
                if wait <= 0 or self._closed:
                    return None
                self._changed.wait(wait)

    def _is_ready(self, batch: WriteBatch) -> bool:
        return bool(
            len(batch.lines) >= GROUP_ENTRIES
            or len(self._batches) > 1
            or self._hurry
            or self._closed
        )

    def done(self, batch: WriteBatch) -> None:
        """The first batch is written, or was given up."""
        with self._changed:
            self._batches.popleft()
            self._bytes -= sum(line.entry.cost for line in batch.lines)
            self._changed.notify_all()

    def give_up(self, batch: WriteBatch, lines: Iterable[PlacedEntry]) -> None:
        """Count lines of the first batch as lost and take them out of it."""
        with self._changed:
            for line in lines:
                batch.lines.remove(line)
                self._bytes -= line.entry.cost
                self._lose(line.entry)

    def loss_if_calm(self) -> LostEntries | None:
        """Return what was lost, once, when no more than half of the limit waits."""
        with self._changed:
            if self._loss is None or self._bytes * 2 > self._limit:
                return None
            loss, self._loss = self._loss, None
            return loss

    def renumber(self, base: int) -> None:
        """Move everything that waits beyond ``base``, where a file turns out to be further on."""
        with self._changed:
            shift = base + 1 - self.first_waiting()
            for batch in self._batches:
                for line in batch.lines:
                    line.sequence += shift
            self._position.next += shift

    def first_waiting(self) -> int:
        """Return the lowest sequence that waits, or else the next one."""
        with self._changed:
            waiting = (line.sequence for batch in self._batches for line in batch.lines)
            return next(waiting, self._position.next)

    def unwritten(self, after: int) -> tuple[LogEntry, ...]:
        """Return the entries that wait, from beyond ``after`` on."""
        with self._changed:
            return tuple(
                LogEntry(line.sequence, line.entry)
                for batch in self._batches
                for line in batch.lines
                if line.sequence > after
            )

    def wait_written(self, patience: float) -> bool:
        """Wait up to ``patience`` seconds for all that waits now; returns whether it is written."""
        end = time.monotonic() + patience
        with self._changed:
            if not self._batches:
                return True
            last = self._batches[-1]
            self._hurry += 1
            self._changed.notify_all()
            try:
                while any(batch is last for batch in self._batches):
                    wait = end - time.monotonic()
                    if wait <= 0 or not self._changed.wait(wait):
                        return False
                return True
            finally:
                self._hurry -= 1

    # ----------------------------------------------------------------- end

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def close(self) -> None:
        """Have the writer take what there is and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait that long, or until :meth:`close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

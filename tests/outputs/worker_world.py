"""A log, a ledger and a collector in memory, for the tests of workers and windows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sensor.errors import StateUnusable
from sensor.outputs.delivery import Batch, BatchLimits, ConnectionStatus, Delivered, Outcome
from sensor.outputs.engine.tail import Tail
from sensor.outputs.engine.worker import OutputWorker
from sensor.outputs.settings import OutputSettings, StartAt
from sensor.schema.filters import Filters
from sensor.store.batch import DeadLetter
from sensor.store.pages import LogPage, Pages, Row

WALL = 1_700_000_000_000_000_000
FEW = BatchLimits(records=4)


class MemoryPages(Pages):
    """The log as a list, and the store's side of dead letters."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.graves: dict[tuple[str, int], DeadLetter] = {}
        self.reads = 0
        self.broken = False

    def append(self, *sequences: int, kind: str = "container.start", body: bytes = b"") -> None:
        for sequence in sequences:
            line = body or b'{"number":%d}\n' % sequence
            self.rows.append(Row(sequence, f"{sequence:032x}", kind, WALL + sequence, line))

    def after(self, sequence: int, rows: int = 1000, size: int = 1 << 20) -> LogPage:
        self.reads += 1
        if self.broken:
            raise StateUnusable("castoff.db cannot be read: disk I/O error", "Look.")
        found: list[Row] = []
        for row in self.rows:
            if row.sequence <= sequence:
                continue
            if len(found) >= rows or size <= 0:
                break
            found.append(row)
            size -= len(row.body)
        return LogPage("stream", tuple(found), found[-1].sequence if found else sequence)

    def count(self, after: int, through: int) -> int:
        return sum(after < row.sequence <= through for row in self.rows)

    def dead(
        self,
        output: str,
        after: int,
        through: int,
        rows: int = 1000,
        size: int = 1 << 20,  # noqa: ARG002 - the signature of what it stands in for
    ) -> LogPage:
        wanted = [n for name, n in self.graves if name == output and after < n <= through]
        by_sequence = {row.sequence: row for row in self.rows}
        found = tuple(by_sequence[n] for n in sorted(wanted)[:rows])
        return LogPage("stream", found, found[-1].sequence if found else after)

    def dead_counts(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name, sequence in self.graves:
            count, last = found.get(name, (0, 0))
            found[name] = count + 1, max(last, sequence)
        return found

    def close(self) -> None:
        pass


class MemoryLedger:
    """The store as workers write to it."""

    def __init__(self, pages: MemoryPages) -> None:
        self.cursors: dict[str, int] = {}
        self.acknowledged: list[int] = []
        self._pages = pages

    def acknowledge(self, output: str, sequence: int | None) -> None:
        if sequence is None:
            self.cursors.pop(output, None)
        else:
            self.cursors[output] = sequence
            self.acknowledged.append(sequence)

    def add_dead_letters(self, output: str, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._pages.graves[output, letter.sequence] = letter

    def remove_dead_letters(self, output: str, sequences: Sequence[int]) -> None:
        for sequence in sequences:
            self._pages.graves.pop((output, sequence), None)


Answer = Callable[[Batch], Awaitable[Outcome]]


@dataclass
class Collector:
    """A transport that does what a test says, and remembers what it got."""

    window: int = 1
    limits: BatchLimits = field(default_factory=BatchLimits)
    answer: Answer | None = None
    outcomes: deque[Outcome] = field(default_factory=deque)
    """Taken one after the other; Delivered when there are none left."""
    begun: list[Batch] = field(default_factory=list)
    _taken: list[list[int]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    held_records: int = 0
    closed: bool = False

    @property
    def connection(self) -> ConnectionStatus:
        return ConnectionStatus("collector:24224", connected=not self.closed)

    async def deliver(self, batch: Batch) -> Outcome:
        self.begun.append(batch)
        taken: list[int] = []
        self._taken.append(taken)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.answer is not None:
                outcome = await self.answer(batch)
            else:
                await asyncio.sleep(0.01)
                outcome = self.outcomes.popleft() if self.outcomes else Delivered()
        finally:
            self.under_way -= 1
        if isinstance(outcome, Delivered):
            rejected = {one.sequence for one in outcome.rejected}
            taken += [r.sequence for r in batch.records if r.sequence not in rejected]
        return outcome

    async def close(self) -> None:
        self.closed = True

    @property
    def taken(self) -> list[int]:
        """The sequences that were delivered, in the order in which they came."""
        return [sequence for taken in self._taken for sequence in taken]

    @property
    def sequences(self) -> list[list[int]]:
        """The sequences of each attempt."""
        return [[record.sequence for record in batch.records] for batch in self.begun]


def settings(filters: Filters | None = None, name: str = "local") -> OutputSettings:
    return OutputSettings(name, "jsonl", None, "native", filters or Filters(), StartAt.OLDEST)


class World:
    """One log, and workers on it, inside of a running loop."""

    def __init__(
        self, pages: MemoryPages | None = None, ledger: MemoryLedger | None = None
    ) -> None:
        self.pages = pages or MemoryPages()
        self.ledger = ledger or MemoryLedger(self.pages)
        newest = self.pages.rows[-1].sequence if self.pages.rows else 0
        self.tail = Tail(self.pages, newest)
        self.tasks: list[asyncio.Task[None]] = []

    def worker(
        self,
        collector: Collector,
        name: str = "local",
        filters: Filters | None = None,
        draw: Callable[[], float] = lambda: 1.0,
        answer_seconds: float = 300.0,
    ) -> OutputWorker:
        cursor = self.ledger.cursors.get(name, 0)
        worker = OutputWorker(
            settings(filters, name), collector, self.tail, self.ledger, cursor, draw, answer_seconds
        )
        self.tasks.append(asyncio.get_running_loop().create_task(worker.run()))
        return worker

    def append(self, *sequences: int, kind: str = "container.start", body: bytes = b"") -> None:
        self.pages.append(*sequences, kind=kind, body=body)
        self.tail.written(sequences[-1], len(sequences))

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], step: float = 0.05, limit: float = 5000.0) -> None:
    """Wait, in made-up time, until something holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit
    while not condition():
        assert loop.time() < end
        await asyncio.sleep(step)

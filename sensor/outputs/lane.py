"""One output at work: reads the log from its cursor, keeps its window full, and waits.

    closed ──Retry──▶ open ──wait over──▶ half-open ──Delivered, Refused──▶ closed
                       ▲                      │
                       └───────Retry──────────┘

Rules:

- a partial batch is sent only when nothing is under way: under load batches fill by themselves, on
  a quiet node an event leaves at once;
- while the circuit is open nothing is read and nobody is woken but by the end of the wait;
- what is held is at most ``window`` stretches of the transport's limits;
- when ``REFUSED_IN_A_ROW`` events were refused and none was taken in between, it is the collector
  that is wrong and not the events: each further one costs a wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING, Protocol

from sensor.errors import StateUnusable
from sensor.outputs.backoff import Backoff, Circuit
from sensor.outputs.cutting import Cutter
from sensor.outputs.delivery import Delivered, Refused, Rejection, Retry
from sensor.outputs.health import Counts, LastError, OutputHealth
from sensor.outputs.text import visible
from sensor.outputs.window import Stretch, Window
from sensor.store.batch import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sensor.outputs.delivery import Outcome, Transport
    from sensor.outputs.settings import OutputSettings
    from sensor.outputs.tail import Tail

ANSWER_SECONDS = 300.0
"""After this a transport that should have given up itself is given up."""

CANCEL_SECONDS = 5.0
"""How long attempts that are given up may take to end."""

CURSOR_SECONDS = 1.0
"""The cursor is written at most that often: a kill repeats what was delivered since."""

READ_AGAIN_SECONDS = 1.0
"""After the log could not be read."""

REFUSED_IN_A_ROW = 100

SMALL_BATCHES = 64
"""Batches delivered before the size that was refused is tried again."""

DEFECTS = 5
"""Attempts at a batch that an error of our own ended, before it counts as refused."""

TICK = 0.001
"""Seconds by which a timer of the loop may be early."""

ERROR_READ = 64 * 1024
ERROR_LIMIT = 300
"""Characters of an error that are looked at for secrets, and that are kept."""

_NS = 1_000_000_000

log = logging.getLogger("castoff.outputs")


class Ledger(Protocol):
    """What is asked of :class:`sensor.store.log.Store`."""

    def acknowledge(self, output: str, sequence: int | None) -> None:
        """Keep an output's cursor."""

    def bury(self, output: str, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters."""

    def unbury(self, output: str, sequences: Sequence[int]) -> None:
        """Remove dead letters."""


class Lane:
    """One output. Belongs to the outputs' loop, but for :meth:`health`."""

    def __init__(
        self,
        settings: OutputSettings,
        transport: Transport,
        tail: Tail,
        ledger: Ledger,
        cursor: int,
        random: Callable[[], float],
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name = settings.name
        self.cursor = cursor
        self.circuit = Circuit.CLOSED
        self.dead_letters = 0
        self.attempts = 0
        self._settings = settings
        self._transport = transport
        self._tail = tail
        self._ledger = ledger
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._cutter = Cutter(settings.filters)
        self._window = Window()
        self._backoff = Backoff(random)
        self._position = cursor
        self._changed = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._counts = Counts()
        self._last_error: LastError | None = None
        self._resume = 0.0
        self._read_again = 0.0
        self._written = cursor
        self._written_at = float("-inf")
        self._most = transport.limits.records
        self._small = 0
        self._in_a_row = 0
        self._defects = 0
        self._dead_after: int | None = None
        self._dead_through = 0
        self._rewinding: tuple[int, asyncio.Future[None]] | None = None
        self._behind = 0
        """Entries beyond the cursor, without those that were appended since ``_counted``."""
        self._counted = 0
        self._finishing = self._tried = False
        self._count_behind()
        self._finished = asyncio.Event()

    # ----------------------------------------------------------------- from outside

    async def run(self) -> None:
        """Ship until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self._step()
                except Exception as error:  # noqa: BLE001 - logged, and begun anew
                    await self._begin_anew(self._defect(error))
                await self._rest()
        finally:
            self._tail.leave(self._changed.set)
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._write_cursor()
            await self._transport.close()

    async def finish(self) -> None:
        """Return when everything was shipped, or when it turns out that it cannot be.

        An open circuit is tried once more, at once.
        """
        self._finishing = True
        self._changed.set()
        await self._finished.wait()

    async def rewind(self, sequence: int) -> None:
        """Ship everything beyond ``sequence`` again; raises ValueError when that is ahead."""
        if sequence >= self.cursor or self._rewinding is not None:
            message = f"{self.name} has shipped nothing since then"
            raise ValueError(message)
        done: asyncio.Future[None] = self._loop.create_future()
        self._rewinding = sequence, done
        self._changed.set()
        await done

    def retry_dead(self, through: int) -> None:
        """Ship the dead letters up to a sequence again, as soon as nothing is under way."""
        self._dead_after, self._dead_through = 0, through
        self._changed.set()

    def missed(self, count: int) -> None:
        """Note that retention took entries that were not shipped; from any thread."""
        self._behind -= count

    def health(self) -> OutputHealth:
        """Tell how it is doing; from any thread."""
        oldest = next((one.batch for one in tuple(self._window) if one.batch is not None), None)
        age = 0.0 if oldest is None else (time.time_ns() - oldest.records[0].wall) / _NS
        is_open = self.circuit is Circuit.OPEN
        return OutputHealth(
            name=self.name,
            kind=self._settings.kind,
            format=self._settings.format,
            circuit=self.circuit,
            cursor=self.cursor,
            lag_events=self._lag(),
            lag_seconds=max(0.0, age),
            in_flight=self._window.under_way,
            dead_letters=self.dead_letters,
            resumes_in=max(0.0, self._resume - self._loop.time()) if is_open else None,
            connection=self._transport.connection,
            last_error=self._last_error,
            counts=self._counts,
        )

    # ----------------------------------------------------------------- one turn

    async def _step(self) -> None:
        if self._rewinding is not None:
            await self._rewind(*self._rewinding)
        await self._settle()
        if self._finishing and not self._tried:
            self._tried = True
            self._resume = self._loop.time()
        now = self._loop.time() + TICK
        if now >= self._written_at + CURSOR_SECONDS:
            self._write_cursor()
        if self.circuit is Circuit.OPEN:
            if now < self._resume:
                return
            await self._give_up(self._window.go_back())
            self.circuit = Circuit.HALF_OPEN
        if now >= self._read_again:
            self._read_again = 0.0
            self._read()
        self._begin()

    async def _begin_anew(self, reason: str) -> None:
        """Drop what is held and wait: nothing is known of it but the cursor."""
        await self._give_up(self._window.clear())
        self._position = self.cursor
        self._failed(Retry(reason))

    async def _rewind(self, sequence: int, done: asyncio.Future[None]) -> None:
        await self._give_up(self._window.clear())
        self.cursor = self._position = sequence
        self._dead_after = self._rewinding = None
        self._count_behind()
        self._write_cursor()
        if not done.done():
            done.set_result(None)

    async def _rest(self) -> None:
        """Wait until something changes or falls due."""
        due = min(self._due(), default=None)
        if self._tried and self._is_finished():
            self._finished.set()
        timer = None if due is None else self._loop.call_at(due, self._changed.set)
        try:
            # Also where there is more to do at once: the others have their turn in between.
            await asyncio.sleep(0)
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _due(self) -> Iterable[float]:
        if self.circuit is Circuit.OPEN:
            yield self._resume
        elif self._read_again:
            yield self._read_again
        if self.cursor != self._written:
            yield self._written_at + CURSOR_SECONDS

    def _is_finished(self) -> bool:
        if self.circuit is Circuit.OPEN or self._read_again:
            return True
        return not len(self._window) and self._position >= self._tail.newest

    # ----------------------------------------------------------------- reading

    @property
    def _size(self) -> int:
        return self._transport.window if self.circuit is Circuit.CLOSED else 1

    def _read(self) -> None:
        """Cut one page into the window if there is room, and ask to be woken for more."""
        if len(self._window) >= self._size:
            return
        if self._dead_after is not None:
            self._read_dead(self._dead_after)
            return
        newest = self._tail.newest
        ahead = newest - self._position
        if ahead <= 0 or (len(self._window) and ahead < self._most):
            self._tail.wait(self._changed.set, newest)
            return
        limit = self._transport.limits.bytes
        try:
            page = self._tail.after(self._position, self._most, limit)
        except StateUnusable as error:
            self._cannot_read(error)
            return
        self._counts.damaged += page.damaged
        self._window.stream = page.stream
        if page.through > self._position:
            for stretch in self._cutter.cut(page, limit):
                self._window.add(stretch)
            self._position = page.through
        else:
            # Entries that were there already: they have no row of their own.
            self._window.add(Stretch(None, newest, 0))
            self._position = newest
        # Again at once: for what nobody wants, and for the rest of the window.
        self._changed.set()

    def _read_dead(self, after: int) -> None:
        if len(self._window):
            return
        limit = self._transport.limits.bytes
        try:
            page = self._tail.dead(self.name, after, self._dead_through, self._most, limit)
        except StateUnusable as error:
            self._cannot_read(error)
            return
        self._dead_after = page.through if page.rows or page.damaged else None
        self._window.stream = page.stream
        for stretch in self._cutter.cut(page, limit, dead=True):
            self._window.add(stretch)
        self._changed.set()

    def _cannot_read(self, error: StateUnusable) -> None:
        self._note_error(error.problem)
        self._read_again = self._loop.time() + READ_AGAIN_SECONDS

    # ----------------------------------------------------------------- sending

    def _begin(self) -> None:
        while self._window.under_way < self._size:
            stretch = self._window.begin()
            if stretch is None:
                return
            self.attempts += 1
            task = self._loop.create_task(self._deliver(stretch, stretch.attempt))
            self._tasks[stretch.attempt] = task

    async def _deliver(self, stretch: Stretch, attempt: int) -> None:
        outcome: Outcome
        if stretch.batch is None:
            return
        try:
            async with asyncio.timeout(self._answer_seconds):
                outcome = await self._transport.deliver(stretch.batch)
            self._defects = 0
        except TimeoutError:
            outcome = Retry(f"no answer within {self._answer_seconds:g} s")
        except Exception as error:  # noqa: BLE001 - logged, and an outcome
            self._defects += 1
            reason = self._defect(error)
            outcome = Refused(reason) if self._defects > DEFECTS else Retry(reason)
        finally:
            self._tasks.pop(attempt, None)
            self._changed.set()
        self._window.settle(stretch, attempt, outcome)

    async def _give_up(self, attempts: list[int]) -> None:
        """End attempts; they are over when this returns, so nothing overtakes anything."""
        tasks = [self._tasks[attempt] for attempt in attempts if attempt in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

    # ----------------------------------------------------------------- outcomes

    async def _settle(self) -> None:
        while True:
            for done in self._window.take_done():
                self._done(done)
            if self.circuit is Circuit.OPEN:
                return
            stretch = self._window.trouble()
            if stretch is None:
                return
            if isinstance(stretch.outcome, Retry):
                self._failed(stretch.outcome)
            elif isinstance(stretch.outcome, Refused):
                await self._refused(stretch, stretch.outcome.reason)

    def _done(self, stretch: Stretch) -> None:
        """Move on behind a stretch whose outcome is Delivered."""
        if stretch.batch is not None and isinstance(stretch.outcome, Delivered):
            sequences = {record.sequence for record in stretch.batch.records}
            rejected = [one for one in stretch.outcome.rejected if one.sequence in sequences]
            taken = sequences - {one.sequence for one in rejected}
            self._counts.batches += 1
            self._counts.delivered += len(taken)
            if stretch.dead:
                self._ledger.unbury(self.name, sorted(taken))
                self.dead_letters = max(0, self.dead_letters - len(taken))
            if stretch.outcome.warning is not None:
                self._counts.warnings += 1
                self._note_error(stretch.outcome.warning)
            if rejected:
                self._bury(rejected, again=stretch.dead)
            self._judge(len(taken), len(rejected))
        if not stretch.dead:
            self.cursor = stretch.through
            self._behind -= stretch.rows

    def _judge(self, taken: int, rejected: int) -> None:
        """Close the circuit when the collector takes events, open it when it takes none."""
        self._in_a_row = 0 if taken else self._in_a_row + rejected
        if self._in_a_row > REFUSED_IN_A_ROW:
            told = self._last_error.text if self._last_error is not None else ""
            self._failed(Retry(f"the collector refuses every event: {told}"))
            return
        if taken and self._most < self._transport.limits.records:
            self._small += 1
            if self._small >= SMALL_BATCHES:
                self._grow(self._most * 2)
        if self.circuit is not Circuit.OPEN:
            if self.circuit is Circuit.HALF_OPEN:
                log.info("output %s: works again", self.name)
            self.circuit = Circuit.CLOSED
            self._backoff.succeeded()

    def _bury(self, rejected: Sequence[Rejection], *, again: bool) -> None:
        now = time.time_ns()
        letters = [DeadLetter(one.sequence, self._shown(one.reason), now) for one in rejected]
        self._ledger.bury(self.name, letters)
        self._counts.dead += len(letters)
        if not again:
            self.dead_letters += len(letters)
        self._note_error(rejected[-1].reason)

    async def _refused(self, stretch: Stretch, reason: str) -> None:
        if stretch.batch is None:
            return
        records = stretch.batch.records
        if len(records) == 1:
            stretch.outcome = Delivered(rejected=(Rejection(records[0].sequence, reason),))
            # It was this one, and not the size.
            self._grow(self._transport.limits.records)
            return
        self._counts.refused += 1
        self._note_error(reason)
        await self._give_up(self._window.go_back(stretch))
        self._window.halve(stretch)
        self._most, self._small = max(1, len(records) // 2), 0

    def _grow(self, most: int) -> None:
        self._most, self._small = min(self._transport.limits.records, most), 0

    def _failed(self, retry: Retry) -> None:
        wait = self._backoff.failed(retry)
        self._counts.retries += 1
        self._counts.credentials += retry.credentials
        self._note_error(retry.reason)
        if self.circuit is Circuit.CLOSED:
            shown = self._last_error.text if self._last_error is not None else ""
            log.warning("output %s: %s", self.name, shown)
        self.circuit = Circuit.OPEN
        self._resume = self._loop.time() + wait

    def _defect(self, error: Exception) -> str:
        """Count and log an error of our own. Not as a traceback: its texts may hold secrets."""
        self._counts.defects += 1
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        reason = f"defect: {type(error).__name__} at {where}: {error}"
        log.error("output %s: %s", self.name, self._shown(reason))
        return reason

    def _note_error(self, reason: str) -> None:
        self._last_error = LastError(time.time_ns(), self._shown(reason))

    def _shown(self, reason: str) -> str:
        """Return what others wrote without secrets and control characters, bounded."""
        whole = self._settings.without_secrets(reason[:ERROR_READ])
        return visible(whole[:ERROR_LIMIT])[:ERROR_LIMIT]

    # ----------------------------------------------------------------- the cursor

    def _write_cursor(self) -> None:
        if self.cursor != self._written:
            self._ledger.acknowledge(self.name, self.cursor)
            self._written, self._written_at = self.cursor, self._loop.time()

    def _count_behind(self) -> None:
        newest, self._counted = self._tail.mark
        try:
            self._behind = self._tail.count(self.cursor, newest)
        except StateUnusable as error:
            self._behind = 0
            self._cannot_read(error)

    def _lag(self) -> int:
        newest, appended = self._tail.mark
        return 0 if self.cursor >= newest else max(0, self._behind + appended - self._counted)

"""One output at work: reads the log from its cursor, keeps its window full, and waits.

    closed ──Retry, blame──▶ open ──wait over──▶ half-open ──accepted──▶ closed
                              ▲                      │
                              └────Retry, blame──────┘

Rules:

- a partial batch is sent only when nothing is under way: under load batches fill by themselves, on
  a quiet node an event leaves at once;
- while the circuit is open nothing is read, and only the end of the wait wakes the worker;
- what is held is at most ``window`` stretches of the transport's limits;
- a refused event becomes a dead letter only once the collector took another one; if it takes none,
  the configuration is blamed and everything waits (``suspicion.py``);
- after a lost connection one batch goes alone, and the window grows again (``pace.py``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from sensor.errors import StateUnusable
from sensor.outputs.delivery import Delivered, Refused, Rejection, Retry
from sensor.outputs.engine.attempts import ANSWER_SECONDS, Attempts
from sensor.outputs.engine.backoff import CIRCUIT, Backoff, Circuit, CircuitStep
from sensor.outputs.engine.feed import Feed
from sensor.outputs.engine.health import OutputHealth
from sensor.outputs.engine.pace import Pace
from sensor.outputs.engine.progress import OutputProgress
from sensor.outputs.engine.sizing import Sizing
from sensor.outputs.engine.suspicion import Suspicion
from sensor.outputs.engine.window import DeliveryWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.outputs.delivery import Outcome, Transport
    from sensor.outputs.engine.progress import CursorStore
    from sensor.outputs.engine.stretch import Stretch
    from sensor.outputs.engine.tail import Tail
    from sensor.outputs.settings import OutputSettings

READ_AGAIN_SECONDS = 1.0
"""After the log could not be read."""

TICK = 0.001
"""Seconds by which a timer of the loop may be early."""

_NS = 1_000_000_000

log = logging.getLogger("castoff.outputs")


class OutputWorker:
    """One output. Belongs to the outputs' loop, but for :meth:`health`."""

    def __init__(
        self,
        settings: OutputSettings,
        transport: Transport,
        tail: Tail,
        ledger: CursorStore,
        cursor: int,
        random: Callable[[], float],
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name = settings.name
        self.progress = OutputProgress(settings, ledger, tail, cursor)
        self.circuit = Circuit.CLOSED
        self._settings = settings
        self._transport = transport
        self._tail = tail
        self._loop = asyncio.get_running_loop()
        limits = transport.limits
        self._feed = Feed(self.name, tail, settings.filters, cursor, limits.bytes)
        self._sizing = Sizing(limits.records)
        self._window = DeliveryWindow()
        self._pace = Pace()
        self._suspicion = Suspicion()
        self._hint: str | None = None
        self._backoff = Backoff(random)
        self._changed = asyncio.Event()
        self._attempts = Attempts(transport, self.progress, answer_seconds)
        self._resume = 0.0
        self._read_again = 0.0
        self._rewinding: tuple[int, asyncio.Future[None]] | None = None
        self._finishing = self._tried = False
        self._finished = asyncio.Event()

    @property
    def attempts(self) -> int:
        """How many batches were begun."""
        return self._attempts.begun

    @property
    def cursor(self) -> int:
        """The last sequence that it is done with."""
        return self.progress.cursor

    # ----------------------------------------------------------------- from outside

    async def run(self) -> None:
        """Ship until cancelled."""
        try:
            while True:
                self._changed.clear()
                try:
                    await self._step()
                except Exception as error:  # noqa: BLE001 - a defect must not end the thread of all outputs
                    await self._begin_anew(self.progress.defect(error))
                await self._rest()
        finally:
            self._tail.leave(self._changed.set)
            self.progress.write(self._loop.time())
            await self._attempts.close()

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
        self._feed.retry_dead(through)
        self._changed.set()

    def health(self) -> OutputHealth:
        """Return how it is doing; from any thread."""
        oldest = next((one.batch for one in tuple(self._window) if one.batch is not None), None)
        age = 0.0 if oldest is None else (time.time_ns() - oldest.records[0].wall) / _NS
        is_open = self.circuit is Circuit.OPEN
        return OutputHealth(
            name=self.name,
            kind=self._settings.kind,
            format=self._settings.format,
            circuit=self.circuit,
            cursor=self.cursor,
            lag_events=self.progress.lag(),
            lag_seconds=max(0.0, age),
            in_flight=self._window.under_way,
            held=self._window.held_events,
            dead_letters=self.progress.dead_letters,
            resumes_in=max(0.0, self._resume - self._loop.time()) if is_open else None,
            connection=self._transport.connection,
            last_error=self.progress.last_error,
            counts=self.progress.counts,
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
        due = self.progress.due()
        if due is not None and now >= due:
            self.progress.write(now)
        if self.circuit is Circuit.OPEN:
            if now < self._resume:
                return
            await self._attempts.give_up(self._window.go_back())
            self._window.try_held(self._suspicion.blames)
            self._move(CircuitStep.TRIED)
        if now >= self._read_again:
            self._read_again = 0.0
            self._read()
        self._begin()
        if self._window.held_events and not self._window.active and self._feed.exhausted:
            self._blame_configuration()

    async def _begin_anew(self, reason: str) -> None:
        """Drop what is held and wait: nothing is known of it but the cursor."""
        await self._attempts.give_up(self._window.clear())
        self._feed.go_to(self.cursor)
        self._failed(Retry(reason))

    async def _rewind(self, sequence: int, done: asyncio.Future[None]) -> None:
        await self._attempts.give_up(self._window.clear())
        self._rewinding = None
        self._feed.go_to(sequence)
        self.progress.rewind(sequence, self._loop.time())
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

    def _due(self) -> Iterator[float]:
        if self.circuit is Circuit.OPEN:
            yield self._resume
        elif self._read_again:
            yield self._read_again
        due = self.progress.due()
        if due is not None:
            yield due

    def _is_finished(self) -> bool:
        if self.circuit is Circuit.OPEN or self._read_again:
            return True
        return not len(self._window) and self._feed.exhausted

    # ----------------------------------------------------------------- reading and sending

    @property
    def _size(self) -> int:
        return self._pace.size(self._transport.window) if self.circuit is Circuit.CLOSED else 1

    def _read(self) -> None:
        """Put one page into the window if there is room."""
        if self._window.active >= self._size:
            return
        try:
            more = self._feed.read(self._window, self._sizing.records, self._changed.set)
        except StateUnusable as error:
            self.progress.note(error.problem)
            self._read_again = self._loop.time() + READ_AGAIN_SECONDS
            return
        self.progress.counts.damaged = self._feed.damaged
        if more:
            # Again at once: for events that no filter takes, and for the rest of the window.
            self._changed.set()

    def _begin(self) -> None:
        while self._window.under_way < self._size:
            stretch = self._window.begin()
            if stretch is None or stretch.batch is None:
                return
            on_outcome = partial(self._on_outcome, stretch, stretch.attempt)
            self._attempts.begin(stretch.attempt, stretch.batch, on_outcome)

    def _on_outcome(self, stretch: Stretch, attempt: int, outcome: Outcome) -> None:
        self._window.settle(stretch, attempt, outcome)
        self._changed.set()

    # ----------------------------------------------------------------- outcomes

    async def _settle(self) -> None:
        while True:
            for done in self._window.take_done():
                self._done(done)
                if done.tried_after_proof and done.accepted:
                    # Others overtook it while it was held; what comes last has to be in order.
                    await self._attempts.give_up(self._window.go_back())
            if self._window.proven:
                self._accepted()
            if self.circuit is Circuit.OPEN:
                return
            stretch = self._window.trouble()
            if stretch is None:
                return
            if isinstance(stretch.outcome, Retry):
                self._failed(stretch.outcome)
            elif isinstance(stretch.outcome, Refused):
                await self._refused(stretch, stretch.outcome)
            else:
                self._judge(stretch)

    def _done(self, stretch: Stretch) -> None:
        """Close the circuit when the collector takes events."""
        answered = self.progress.done(stretch)
        if answered is None:
            return
        self._pace.acknowledged(self._transport.window)
        taken, _ = answered
        if taken:
            self._sizing.accepted()
            self._accepted()

    def _accepted(self) -> None:
        """Try again what was held, and close the circuit: the collector takes events."""
        self._suspicion.accepted()
        self._window.release()
        if self.circuit is not Circuit.OPEN:
            if self.circuit is Circuit.HALF_OPEN:
                log.info("output %s: works again", self.name)
            self._move(CircuitStep.ACCEPTED)
            self._backoff.succeeded()

    async def _refused(self, stretch: Stretch, refused: Refused) -> None:
        if stretch.batch is None:
            return
        records = stretch.batch.records
        self._hint = refused.hint
        if len(records) == 1:
            rejection = Rejection(records[0].sequence, refused.reason, refused.local)
            stretch.answer(Delivered(rejected=(rejection,)))
            self._sizing.poisoned()
            return
        self.progress.counts.refused += 1
        self.progress.note(refused.reason)
        await self._attempts.give_up(self._window.go_back(stretch))
        self._window.halve(stretch)
        self._sizing.halved(len(records))

    def _judge(self, stretch: Stretch) -> None:
        """Make dead letters of what was rejected, or hold it until the collector takes others."""
        if not isinstance(stretch.outcome, Delivered):
            return
        rejected = [one for one in stretch.outcome.rejected if not one.local]
        proof = stretch.tried_after_proof
        if stretch.dead or self._suspicion.condemns(len(rejected), tried_after_proof=proof):
            stretch.judge()
            return
        stretch.hold()
        self.progress.note(rejected[-1].reason)
        if self._window.held_events > self._suspicion.limit:
            self._blame_configuration()

    def _blame_configuration(self) -> None:
        """Wait with everything: the collector takes no event, so none of them is at fault."""
        error = self.progress.last_error
        since = "any more" if self._suspicion.proven else "since the agent began"
        reason = (
            f"the collector has accepted no event {since}; "
            f"{self._window.held_events} were tried and all wait: {error.text if error else ''}"
        )
        if self._hint is not None:
            reason += f". {self._hint}"
        self._suspicion.blamed()
        self._failed(Retry(reason, configuration=True))

    def _move(self, step: CircuitStep) -> None:
        self.circuit = CIRCUIT.after(self.circuit, step)

    def _failed(self, retry: Retry) -> None:
        counts = self.progress.counts
        counts.retries += 1
        counts.credentials += max(retry.distrusted, retry.credentials)
        counts.configuration += retry.configuration
        self.progress.note(retry.reason)
        if self.circuit is Circuit.CLOSED:
            self._pace.lost(self._transport.window)
            log.warning("output %s: %s", self.name, self.progress.shown(retry.reason))
        self._move(CircuitStep.FAILED)
        self._resume = self._loop.time() + self._backoff.failed(retry)

"""The delivery engine: all outputs in one thread with a loop of its own; the agent's never waits.

    store's writer ──written──▶ Tail ──wakes──▶ OutputWorker ──Batch──▶ Transport
                                                  └──cursor, dead letters──▶ store

Each output is a :class:`~sensor.outputs.engine.worker.OutputWorker` with its own cursor, window,
circuit and back-off. The log is read by the thread itself: that is the node's disk, on which all of
them wait anyhow. Whatever else may wait is the transports' own, and asynchronous.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from sensor.dataclass import dataclass
from sensor.errors import StateUnusable
from sensor.outputs.engine.attempts import ANSWER_SECONDS
from sensor.outputs.engine.progress import CursorStore
from sensor.outputs.engine.tail import Tail
from sensor.outputs.engine.worker import OutputWorker
from sensor.outputs.settings import StartAt
from sensor.store.pages import Pages
from sensor.store.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from sensor.outputs.delivery import Transport
    from sensor.outputs.engine.health import OutputHealth
    from sensor.outputs.settings import OutputSettings

WAIT_SECONDS = 1.0
"""Between attempts at reading where outputs stood, on a disk that does not let us."""

CLOSE_SECONDS = 2.0
"""How long transports may take to close, after the time for delivering is over."""

log = logging.getLogger("castoff.outputs")

_Result = TypeVar("_Result")


class Storage(CursorStore, Protocol):
    """What is asked of :class:`sensor.store.log.Store`."""

    @property
    def path(self) -> Path:
        """The database's file."""


@dataclass(frozen=True, slots=True)
class Output:
    """An output to be run."""

    settings: OutputSettings
    transport: Transport


class OutputEngine:
    """Runs outputs between :meth:`start` and :meth:`close`."""

    def __init__(
        self,
        storage: Storage,
        outputs: Sequence[Output],
        draw: Callable[[], float] = random.random,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """``draw`` gives the back-off's random numbers."""
        self._storage = storage
        self._outputs = outputs
        self._draw = draw
        self._answer_seconds = answer_seconds
        self._workers: dict[str, OutputWorker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._tail: Tail | None = None
        self._newest = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._waiting = False
        self._thread = threading.Thread(target=self._turn, name="castoff-outputs", daemon=True)

    def start(self) -> None:
        """Begin to deliver; returns once every output knows its place."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def written(self, sequence: int, new: int) -> None:
        """Note that the log goes up to here; from the store's writer."""
        self._newest = sequence
        if self._tail is not None:
            self._tail.written(sequence, new)

    def missed(self, output: str, count: int) -> None:
        """Note that retention took entries that an output had not shipped; from any thread."""
        if output in self._workers:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._workers[output].progress.missed, count)

    def health(self) -> tuple[OutputHealth, ...]:
        """Return how the outputs are doing; from any thread."""
        return tuple(worker.health() for worker in self._workers.values())

    async def rewind(self, output: str, sequence: int) -> None:
        """Have an output ship everything beyond ``sequence`` again; from another loop.

        Raises KeyError for an unknown output, ValueError when it has not come so far.
        """
        await self._ask(self._workers[output].rewind(sequence))

    async def retry_dead(self, output: str) -> int:
        """Have an output ship its dead letters again; returns how many there are.

        Raises KeyError, and :class:`StateUnusable` when they cannot be read.
        """
        return await self._ask(self._retry_dead(self._workers[output]))

    def close(self, seconds: float) -> bool:
        """Deliver for so many seconds what can be, then end; returns whether all was delivered.

        Blocking. What is left is delivered by the next agent.
        """
        if not self._thread.is_alive():
            return True
        asked = asyncio.run_coroutine_threadsafe(self._finish(seconds), self._loop)
        finished = False
        with suppress(TimeoutError):
            finished = asked.result(seconds + 2 * CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)
        return finished

    # ----------------------------------------------------------------- in the thread

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.call_soon(self._begin)
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _begin(self) -> None:
        try:
            self._set_up()
        except Exception as error:  # noqa: BLE001 - the thread that waits for it raises it
            self._error = error
        finally:
            self._ready.set()

    def _set_up(self) -> None:
        """Give each output its place, as soon as the log can be read: the cursors are there."""
        pages = Pages(self._storage.path)
        try:
            extent = LogReader(self._storage.path).extent()
            cursors = pages.cursors()
        except StateUnusable as error:
            if not self._waiting:
                log.warning("outputs wait for the log: %s", error.problem)
            self._waiting = True
            self._loop.call_later(WAIT_SECONDS, self._set_up)
            return
        tail = Tail(pages, max(extent.newest, self._newest))
        for output in self._outputs:
            name = output.settings.name
            cursor = cursors.get(name)
            if cursor is None:
                begins = output.settings.start
                cursor = extent.oldest if begins is StartAt.OLDEST else tail.newest
                # From now on retention reports what it missed.
                self._storage.acknowledge(name, cursor)
            self._workers[name] = OutputWorker(
                output.settings,
                output.transport,
                tail,
                self._storage,
                cursor,
                self._draw,
                self._answer_seconds,
            )
        with suppress(StateUnusable):
            for name, (count, _) in tail.dead_counts().items():
                if name in self._workers:
                    self._workers[name].progress.dead_letters = count
        self._tail = tail
        if self._newest > tail.newest:
            tail.written(self._newest, 0)
        self._tasks = [self._loop.create_task(worker.run()) for worker in self._workers.values()]

    async def _retry_dead(self, worker: OutputWorker) -> int:
        if self._tail is None:
            return 0
        count, last = self._tail.dead_counts().get(worker.name, (0, 0))
        worker.progress.dead_letters = count
        if count:
            worker.retry_dead(last)
        return count

    async def _finish(self, seconds: float) -> bool:
        flushing = [self._loop.create_task(worker.finish()) for worker in self._workers.values()]
        if flushing:
            await asyncio.wait(flushing, timeout=seconds)
        for task in (*flushing, *self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        if self._tail is None:
            return False
        self._tail.close()
        return all(worker.cursor >= self._tail.newest for worker in self._workers.values())

    async def _ask(self, asked: Coroutine[None, None, _Result]) -> _Result:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, self._loop))

"""The attempts of one output that are under way, each a task that ends with an outcome.

Whatever a transport does becomes an outcome: an error of our own is a Retry a few times, in case it
has to do with the moment, and then a Refused, in case it has to do with the event.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Refused, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sensor.outputs.delivery import Batch, Outcome, Transport
    from sensor.outputs.engine.progress import OutputProgress

ANSWER_SECONDS = 300.0
"""After this a transport that should have given up itself is given up."""

CANCEL_SECONDS = 5.0
"""How long attempts that are given up may take to end."""

DEFECTS = 5
"""Errors of our own in a row before the next one counts as a refusal."""


class Attempts:
    """Begins and ends attempts by their numbers."""

    def __init__(self, transport: Transport, progress: OutputProgress, seconds: float) -> None:
        """``seconds`` is how long an attempt may take."""
        self.begun = 0
        self._transport = transport
        self._progress = progress
        self._seconds = seconds
        self._defects = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def begin(self, attempt: int, batch: Batch, on_outcome: Callable[[Outcome], None]) -> None:
        """Deliver a batch; ``on_outcome`` is called unless the attempt is given up."""
        self.begun += 1
        task = asyncio.get_running_loop().create_task(self._deliver(batch, on_outcome))
        self._tasks[attempt] = task
        task.add_done_callback(lambda _: self._tasks.pop(attempt, None))

    async def give_up(self, attempts: Iterable[int]) -> None:
        """End attempts, and wait until they are over, so that nothing overtakes anything."""
        tasks = [self._tasks[attempt] for attempt in attempts if attempt in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

    async def close(self) -> None:
        """Give up all of them and close the transport."""
        await self.give_up(tuple(self._tasks))
        await self._transport.close()

    async def _deliver(self, batch: Batch, on_outcome: Callable[[Outcome], None]) -> None:
        outcome: Outcome
        try:
            async with asyncio.timeout(self._seconds):
                outcome = await self._transport.deliver(batch)
            self._defects = 0
        except TimeoutError:
            outcome = Retry(f"no answer within {self._seconds:g} s")
        except Exception as error:  # noqa: BLE001 - a defect of one output must not end its thread
            self._defects += 1
            reason = self._progress.defect(error)
            given_up = self._defects > DEFECTS
            outcome = Refused(reason, local=True) if given_up else Retry(reason)
        on_outcome(outcome)

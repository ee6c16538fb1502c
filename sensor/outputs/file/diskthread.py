"""One thread in which an output does what may wait for a disk: the outputs' loop goes on meanwhile.

A daemon thread, so that a disk that hangs does not keep the agent from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


class DiskThread:
    """Runs functions one after the other; the thread is made when the first one comes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.waiting = 0
        """Functions that were given and are not done, also those without a waiter."""

    def run(self, function: Callable[[], _Result]) -> asyncio.Future[_Result]:
        """Return the future result, or what the function raises, in the running loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Result] = loop.create_future()

        def settle(set_outcome: Callable[[], None]) -> None:
            self.waiting -= 1
            if not future.done():
                set_outcome()

        def work() -> None:
            try:
                outcome = partial(future.set_result, function())
            except Exception as error:  # noqa: BLE001 - the caller that waits for the result raises it
                outcome = partial(future.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, outcome)

        self.waiting += 1
        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._turn, name=self._name, daemon=True)
            self._thread.start()
        return future

    def close(self) -> None:
        """Let the thread end after what it was given."""
        self._work.put(None)

    def _turn(self) -> None:
        while (work := self._work.get()) is not None:
            work()

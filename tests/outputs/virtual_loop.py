"""An event loop whose time is made up: it jumps to the next timer when there is nothing to do.

Waits of hours take no time, and what happens does not depend on the machine. ``turns`` counts how
often the loop woke.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TURNS_MAX = 200_000


class Stuck(AssertionError):
    """All tasks wait and nothing will ever happen, or it never ends."""


class _Selector(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        self.loop.turns += 1
        if self.loop.turns > TURNS_MAX:
            raise Stuck("the loop turns and turns")
        found = super().select(0)
        if found or timeout == 0:
            return found
        if timeout is None:
            raise Stuck("all tasks wait and none can wake another")
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in made-up time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)

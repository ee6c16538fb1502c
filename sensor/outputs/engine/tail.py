"""The end of the log: its pages from a cursor on, and a word when there is more of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.store.pages import LogPage, Pages


class Tail:
    """Belongs to the outputs' thread, but for :meth:`written`."""

    def __init__(self, pages: Pages, newest: int) -> None:
        """``newest`` is the last sequence that can be read."""
        self.mark = newest, 0
        """The last sequence that can be read, and entries up to it that were written since the
        start: one value, since two threads look at it."""
        self.wakes = 0
        """How often a waiter was woken."""
        self._pages = pages
        self._loop = asyncio.get_running_loop()
        self._hungry: set[Callable[[], None]] = set()

    def written(self, sequence: int, new: int) -> None:
        """Note that the log goes up to here now; from the writer's thread."""
        newest, appended = self.mark
        if sequence <= newest:
            return
        self.mark = sequence, appended + new
        if self._hungry:
            self._loop.call_soon_threadsafe(self._wake)

    def wait(self, wake: Callable[[], None], position: int) -> None:
        """Have ``wake`` called, once, when there is more than up to ``position``."""
        self._hungry.add(wake)
        # Asked again: it may have been written just before.
        if self.newest > position:
            self._wake()

    def leave(self, wake: Callable[[], None]) -> None:
        """Remove a waiter."""
        self._hungry.discard(wake)

    def after(self, sequence: int, rows: int, size: int) -> LogPage:
        """Return a page; raises :class:`StateUnusable`."""
        return self._pages.after(sequence, rows, size)

    @property
    def newest(self) -> int:
        """The last sequence that can be read."""
        return self.mark[0]

    def count(self, after: int, through: int) -> int:
        """Return how many entries there are in between; raises :class:`StateUnusable`."""
        return self._pages.count(after, through)

    def dead(self, output: str, after: int, through: int, rows: int, size: int) -> LogPage:
        """Return a page of dead letters; raises :class:`StateUnusable`."""
        return self._pages.dead(output, after, through, rows, size)

    def dead_counts(self) -> dict[str, tuple[int, int]]:
        """Return for each output its dead letters and the last one's sequence."""
        return self._pages.dead_counts()

    def close(self) -> None:
        """Close the file."""
        self._pages.close()

    def _wake(self) -> None:
        woken, self._hungry = self._hungry, set()
        self.wakes += len(woken)
        for wake in woken:
            wake()

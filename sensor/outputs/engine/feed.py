"""What an output reads next: the log from its position on, or its dead letters once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.outputs.engine.cutting import Cutter
from sensor.outputs.engine.stretch import Stretch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.engine.tail import Tail
    from sensor.outputs.engine.window import DeliveryWindow
    from sensor.schema.filters import Filters


class Feed:
    """Fills an output's window, a page at a time."""

    def __init__(self, output: str, tail: Tail, filters: Filters, position: int, size: int) -> None:
        """``size`` is the bytes of lines that a batch may have."""
        self.position = position
        """The sequence up to which the log was read into the window."""
        self.damaged = 0
        """Entries that could not be read."""
        self._output = output
        self._tail = tail
        self._cutter = Cutter(filters)
        self._size = size
        self._dead: tuple[int, int] | None = None

    @property
    def exhausted(self) -> bool:
        """Whether everything was read."""
        return self._dead is None and self.position >= self._tail.newest

    def go_to(self, position: int) -> None:
        """Read on from there, and no dead letters."""
        self.position, self._dead = position, None

    def retry_dead(self, through: int) -> None:
        """Read the dead letters up to a sequence, before any more of the log."""
        self._dead = 0, through

    def read(self, window: DeliveryWindow, rows: int, wake: Callable[[], None]) -> bool:
        """Add the next page to the window, and return whether there was one.

        Less than ``rows`` are left where they are while something is under way; ``wake`` is called
        when there is more. Raises :class:`StateUnusable`.
        """
        if self._dead is not None:
            return not window.active and self._read_dead(window, rows, *self._dead)
        newest = self._tail.newest
        ahead = newest - self.position
        if ahead <= 0 or (window.active and ahead < rows):
            self._tail.wait(wake, newest)
            return False
        page = self._tail.after(self.position, rows, self._size)
        self.damaged += page.damaged
        window.stream = page.stream
        if page.through > self.position:
            for stretch in self._cutter.cut(page, self._size):
                window.add(stretch)
            self.position = page.through
        else:
            # Entries that were there already: they have no row of their own.
            window.add(Stretch(None, newest, 0))
            self.position = newest
        return True

    def _read_dead(self, window: DeliveryWindow, rows: int, after: int, through: int) -> bool:
        page = self._tail.dead(self._output, after, through, rows, self._size)
        self.damaged += page.damaged
        self._dead = (page.through, through) if page.rows or page.damaged else None
        window.stream = page.stream
        for stretch in self._cutter.cut(page, self._size, dead=True):
            window.add(stretch)
        return True

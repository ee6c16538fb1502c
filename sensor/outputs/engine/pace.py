"""How many batches may be under way at once after connections were lost. Pure.

A receiver that is full resets its connections, and everything that it had not acknowledged is sent
again: with a full window each reset costs a copy of every batch in it. So after a loss one batch
goes alone; the number grows by one with each window of acknowledgements, up to half of what it was
at the loss. That ceiling rises slowly.
"""

from __future__ import annotations

BATCHES_PER_STEP = 64
"""Batches acknowledged in a row, without a loss, before the ceiling rises by one."""

SMALL = 2


class Pace:
    """Starts at the transport's own window, however large that is."""

    def __init__(self) -> None:
        self._size: int | None = None
        self._ceiling = 0
        self._acknowledged = self._since_step = 0

    def size(self, window: int) -> int:
        """Return how many batches may be under way where the transport allows ``window``."""
        return window if self._size is None else min(window, self._size)

    def lost(self, window: int) -> None:
        """Note that a connection was lost, or a batch not answered, while sending went well."""
        size = self.size(window)
        self._ceiling = 1 if size <= SMALL else (size + 1) // 2
        self._size = 1
        self._acknowledged = self._since_step = 0

    def acknowledged(self, window: int) -> None:
        """Note that a batch was acknowledged."""
        if self._size is None:
            return
        self._acknowledged += 1
        self._since_step += 1
        if self._since_step >= BATCHES_PER_STEP:
            self._since_step = 0
            self._ceiling += 1
        if self._size < self._ceiling and self._acknowledged >= self._size:
            self._acknowledged = 0
            self._size += 1
        if self._size >= window:
            self._size = None

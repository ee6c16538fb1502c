"""How many events go into one batch of an output."""

from __future__ import annotations

SMALL_BATCHES = 64
"""Batches delivered before the size that was refused is tried again."""


class Sizing:
    """Halved with a batch that is refused, doubled again after a while. Pure."""

    def __init__(self, limit: int) -> None:
        """``limit`` is the transport's most records."""
        self.records = limit
        self._limit = limit
        self._small = 0

    def halved(self, records: int) -> None:
        """Note that a batch of so many records, more than one, was refused."""
        self.records, self._small = max(1, records // 2), 0

    def poisoned(self) -> None:
        """Note that one record alone was refused: it was not the size."""
        self.records, self._small = self._limit, 0

    def accepted(self) -> None:
        """Note that the collector took at least one record of a batch."""
        if self.records < self._limit:
            self._small += 1
            if self._small >= SMALL_BATCHES:
                self.records, self._small = min(self._limit, self.records * 2), 0

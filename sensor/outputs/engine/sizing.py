"""How many events go into one batch of an output, and whether its collector refuses everything."""

from __future__ import annotations

SMALL_BATCHES = 64
"""Batches delivered before the size that was refused is tried again."""

REFUSED_IN_A_ROW = 100
"""Events refused without one that is taken in between: then it is the collector that is wrong."""


class Sizing:
    """Halved with a batch that is refused, doubled again after a while. Pure."""

    def __init__(self, limit: int) -> None:
        """``limit`` is the transport's most records."""
        self.records = limit
        self._limit = limit
        self._small = 0
        self._in_a_row = 0

    @property
    def hopeless(self) -> bool:
        """Whether so many events were refused that it is not the events."""
        return self._in_a_row > REFUSED_IN_A_ROW

    def halved(self, records: int) -> None:
        """Note that a batch of so many records, more than one, was refused."""
        self.records, self._small = max(1, records // 2), 0

    def poisoned(self) -> None:
        """Note that one record alone was refused: it was not the size."""
        self.records, self._small = self._limit, 0

    def answered(self, taken: int, rejected: int) -> None:
        """Note what the collector said of a batch's records."""
        if not taken:
            self._in_a_row += rejected
            return
        self._in_a_row = 0
        if self.records < self._limit:
            self._small += 1
            if self._small >= SMALL_BATCHES:
                self.records, self._small = min(self._limit, self.records * 2), 0

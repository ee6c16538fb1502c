"""Puts records of control planes into the order of their times before the causal chain reads them.

Several API servers, buckets and partitions give records out of order, in files by hours. A cause
must be known before its effects are explained. A record waits until records of ``patience`` later
have come, or until ``WAITING_LIMIT`` records wait; then the earliest goes on.

One API server writes its log nearly in order. While all records come from one such log, a record
waits for ``slack`` only.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.control_plane import ControlRecord

SECOND = 1_000_000_000
SLACK = SECOND // 2
"""How much the records of one log are out of order: a call is written when it ends."""
ALONE = 600 * SECOND
"""So long after a record of another input, records may still come from both."""
WAITING_LIMIT = 20_000
"""Records that wait for earlier ones: about 50 MiB."""


class RecordOrder:
    """Takes records as they come, gives them in the order of their times, in wall-clock ns."""

    def __init__(self, patience: int, limit: int = WAITING_LIMIT) -> None:
        self._patience = patience
        self._limit = limit
        self._waiting: list[tuple[int, int, ControlRecord]] = []
        self._number = 0
        self._latest = 0
        self._log: str | None = None
        """The one log that all records come from."""
        self._several_until = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: ControlRecord, now: int, log: str | None = None) -> None:
        """Take a record. A time after ``now`` is a wrong clock's, and counts as ``now``.

        ``log`` names the log of one server that grows; None for records in any order.
        """
        time = record.request.requested or 0
        if log is None or log != (self._log or log):
            self._several_until = now + ALONE
        self._log = log
        self._number += 1
        time = min(time, now)
        heapq.heappush(self._waiting, (time, self._number, record))
        self._latest = max(self._latest, time)

    def quiet(self, now: int) -> None:
        """Note that all that is there at ``now`` was read."""
        alone = self._log is not None and now >= self._several_until
        self._latest = max(self._latest, now if alone else now - self._patience)

    @property
    def patience(self) -> int:
        """How long a record waits, by the latest time that was seen."""
        alone = self._log is not None and self._latest >= self._several_until
        return min(self._patience, SLACK) if alone else self._patience

    @property
    def passed(self) -> int:
        """The time up to which all records have gone on."""
        return self._latest - self.patience

    def ready(self) -> Iterator[ControlRecord]:
        """Yield the records that wait no longer."""
        waiting, patience = self._waiting, self.patience
        while waiting and (waiting[0][0] + patience <= self._latest or len(waiting) > self._limit):
            yield heapq.heappop(waiting)[2]

    def rest(self) -> Iterator[ControlRecord]:
        """Yield the records that still wait: the input has ended."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]

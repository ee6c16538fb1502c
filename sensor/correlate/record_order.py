"""Puts records of control planes into the order of their times before the causal chain reads them.

Several API servers, buckets and partitions give records out of order, in files by hours. A cause
must be known before its effects are explained. A record waits until records of ``patience`` later
have come, or until ``WAITING_LIMIT`` records wait; then the earliest goes on.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.model.control_plane import ControlRecord

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

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: ControlRecord, now: int) -> None:
        """Take a record. A time after ``now`` is a wrong clock and lets nothing else go on."""
        time = record.request.requested or 0
        self._number += 1
        heapq.heappush(self._waiting, (time, self._number, record))
        self._latest = max(self._latest, min(time, now))

    def reached(self, time: int) -> None:
        """Note that records up to a time have come: a live input is quiet."""
        self._latest = max(self._latest, time)

    @property
    def passed(self) -> int:
        """The time up to which all records have gone on."""
        return self._latest - self._patience

    def ready(self) -> Iterator[ControlRecord]:
        """Yield the records that wait no longer."""
        waiting = self._waiting
        while waiting and (
            waiting[0][0] + self._patience <= self._latest or len(waiting) > self._limit
        ):
            yield heapq.heappop(waiting)[2]

    def rest(self) -> Iterator[ControlRecord]:
        """Yield the records that still wait: the input has ended."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]

"""What waits for a thread of a source: each user has a share of its places and of its time.

The agent's loop puts, one thread takes. Root of the host is served beside any flood of others.
"""

from __future__ import annotations

import time
from threading import Condition
from typing import Generic, TypeVar

from sensor.identity.fair_queue import ROOT, FairQueue
from sensor.shares import account_of

Job = TypeVar("Job")


class WaitingJobs(Generic[Job]):
    """Jobs with a limit. ``share`` is the user's (``Origin.share``), None for root of the host."""

    def __init__(self, places: int) -> None:
        self.dropped = 0
        """Jobs that found no place, or gave theirs to root's."""
        self._queue: FairQueue[Job] = FairQueue(places)
        self._changed = Condition()
        self._closed = False
        self._taken: tuple[str, float] | None = None
        """Whose job the thread works on, and since when."""

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, job: Job, share: str | None) -> None:
        """Add a job, or count one as dropped."""
        with self._changed:
            refused = self._queue.push(job, ROOT if share is None else account_of(share))
            if refused is not None:
                self.dropped += 1
            self._changed.notify()

    def take(self, timeout: float | None = None) -> Job | None:
        """Wait for the next job; None after the time (seconds), and when there is no more."""
        with self._changed:
            self._charge()
            self._changed.wait_for(lambda: len(self._queue) or self._closed, timeout)
            if not len(self._queue):
                return None
            origin, job = self._queue.pop()
            self._taken = origin, time.monotonic()
            return job

    def _charge(self) -> None:
        if self._taken is not None:
            origin, since = self._taken
            self._queue.charge(origin, time.monotonic() - since)
            self._taken = None

    @property
    def closed(self) -> bool:
        """Whether no more jobs are taken on."""
        return self._closed

    def close(self) -> None:
        """Have the thread end after what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

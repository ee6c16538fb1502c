"""Work that waits for one reader, shared fairly between those whose containers it is for.

Rules:

1. The next job is of the origin that has used the least of the reader's time; an origin that comes
   back after a while begins with no more credit than those that wait.
2. Each origin but the host's root has a share of the places. One that is full refuses its own
   newest job, and no other origin's.
3. When all places are taken, the host's root takes the newest place of the origin with the most.
"""

from __future__ import annotations

from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.model.requests import DescribeRequest

T = TypeVar("T")

SHARE = 8
"""An origin may take one place in so many."""

ORIGINS_MAX = 256
"""Origins that wait at a time; one beyond is refused, unless it is the host's root."""

SUBORDINATE = 65_536
"""Uids from here on are subordinate ones (subuid(5)): any user may have thousands of them."""

ROOT = "root"
NESTED = "nested"
OTHERS = "subordinate"

Origin = str


def origin_of(request: DescribeRequest, host_mnt_ns: int | None = None) -> Origin:
    """Return for whom a description is made: the runtime's user, as far as it costs to be another.

    Root of another mount namespace is root of some container. All of these share, for one can make
    any number of namespaces.
    """
    uid = request.reader_uid or 0
    if uid >= SUBORDINATE:
        return OTHERS
    if uid:
        return f"uid {uid}"
    wanted = request.reader_mnt_ns
    foreign = wanted is not None and host_mnt_ns is not None and wanted != host_mnt_ns
    return NESTED if foreign else ROOT


@dataclass(slots=True)
class _Waiting(Generic[T]):
    jobs: deque[T] = field(default_factory=deque)
    used: float = 0.0
    """Seconds of the reader's time, on the queue's own scale."""


class FairQueue(Generic[T]):
    """The queue. Not safe for threads by itself."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._share = max(1, places // SHARE)
        self._waiting: dict[Origin, _Waiting[T]] = {}
        self._used: dict[Origin, float] = {}
        """What origins used that do not wait now; forgotten with the oldest."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, job: T, origin: Origin) -> T | None:
        """Add a job; return the one that is refused for it, which may be the job itself."""
        refused: T | None = None
        of_origin = self._waiting.get(origin)
        if origin != ROOT:
            full = self._length >= self._places or (
                of_origin is not None and len(of_origin.jobs) >= self._share
            )
            if full or (of_origin is None and len(self._waiting) >= ORIGINS_MAX):
                return job
        elif self._length >= self._places:
            refused = self._evict()
            if refused is None:
                return job
        if of_origin is None:
            of_origin = self._waiting[origin] = _Waiting(used=self._credit(origin))
        of_origin.jobs.append(job)
        self._length += 1
        return refused

    def pop(self) -> tuple[Origin, T]:
        """Take the next job. Raises IndexError where none waits."""
        if not self._waiting:
            raise IndexError
        origin = min(self._waiting, key=lambda name: self._waiting[name].used)
        return origin, self._take(origin, newest=False)

    def charge(self, origin: Origin, seconds: float) -> None:
        """Count the time that a job of an origin took."""
        waiting = self._waiting.get(origin)
        if waiting is not None:
            waiting.used += seconds
            return
        used = self._used.pop(origin, 0.0)
        self._used[origin] = used + seconds
        while len(self._used) > ORIGINS_MAX:
            del self._used[next(iter(self._used))]

    def heads(self) -> list[tuple[Origin, T]]:
        """Return each origin's oldest job."""
        return [(origin, waiting.jobs[0]) for origin, waiting in self._waiting.items()]

    def drop(self, origin: Origin) -> T:
        """Take the oldest job of an origin out of its turn."""
        return self._take(origin, newest=False)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()
        self._length = 0

    def _take(self, origin: Origin, *, newest: bool) -> T:
        waiting = self._waiting[origin]
        job = waiting.jobs.pop() if newest else waiting.jobs.popleft()
        self._length -= 1
        if not waiting.jobs:
            del self._waiting[origin]
            self._used.pop(origin, None)
            self._used[origin] = waiting.used
        return job

    def _evict(self) -> T | None:
        others = [origin for origin in self._waiting if origin != ROOT]
        if not others:
            return None
        most = max(others, key=lambda origin: len(self._waiting[origin].jobs))
        return self._take(most, newest=True)

    def _credit(self, origin: Origin) -> float:
        """Return where an origin begins: not before the least of those that wait."""
        least = min((waiting.used for waiting in self._waiting.values()), default=0.0)
        return max(self._used.pop(origin, 0.0), least)

"""Starts that fail again and again are one trouble: reported once, then at a growing pace.

A kubelet tries anew every few seconds, with a new container each time; an engine with a restart
policy does the same with one container. Rules:

1. The first failure is reported at once, or after HOLD at most where the engine's answer to the
   request is still to come: it has the runtime's own message.
2. Further failures of the same container of a pod (of the same id elsewhere) are counted. One of
   them is reported with the count when PACE has passed since the last report; PACE doubles.
3. A start ends the trouble, and says how many failures came before it.
4. So does silence: after QUIET without a further failure the last one is reported with the count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.shares import SharedTable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sensor.correlate.containers import ContainerKey
    from sensor.correlate.engine_reach import Home
    from sensor.model.events import Event

PACE = 10_000_000_000
PACE_MAX = 3_600_000_000_000
"""Nanoseconds between two reports of the same trouble, at first and at most."""

QUIET = 600_000_000_000
"""Nanoseconds without a further failure after which it is over; kubelet waits 5 minutes at most."""

HOLD = 1_000_000_000
"""Nanoseconds that a failure waits for the engine's answer, which follows the runtime's end.

Docker answers 0.1 to 0.2 s after it, and later on a node at work."""

TROUBLES_MAX = 4096
"""Root's containers whose starts fail that are remembered, and those of all others together. Of
one user, the one silent for longest goes first."""

HELD_MAX = 256
"""Failures that wait at the same time, likewise; beyond it they are reported without a message."""


@dataclass(slots=True)
class _Trouble:
    count: int
    due: int
    """When the next one is reported, in ns since boot."""
    pace: int
    last: Event
    reported: int = 1
    """Failures up to the last report."""


@dataclass(slots=True)
class _Failure:
    key: Hashable
    """What the tries to start one container share."""
    event: Event
    deadline: int
    """Until when it waits for the engine's answer, in ns since boot."""
    home: Home

    @property
    def domain(self) -> str | None:
        """Whose container it is, None for root's."""
        return self.home.owner.share if self.home.owner is not None else None


class FailedStarts:
    """Decides which failures become events. Times are ns since boot."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.folded = 0
        """Failures that are only counted."""
        self._emit = emit
        self._troubles: SharedTable[Hashable, _Trouble] = SharedTable(TROUBLES_MAX)
        """The one silent for longest first."""
        self._held: SharedTable[ContainerKey, _Failure] = SharedTable(HELD_MAX)

    def failed(
        self,
        key: Hashable,
        event: Event,
        now: int,
        *,
        container: ContainerKey,
        home: Home,
        awaited: bool,
    ) -> None:
        """Take a failure. It is ``awaited`` where its engine has not answered the request yet.

        ``key`` is what the tries to start one container share.
        """
        failure = _Failure(key, event, now + HOLD, home)
        if not awaited:
            self._count(failure)
            return
        beyond = self._held.put(container, failure, failure.domain)
        if beyond is not None:
            self._count(beyond)

    def explained(self, target: str, message: str | None, speaks: Callable[[Home], bool]) -> None:
        """Take an engine's refusal to start what a request called ``target``.

        ``speaks`` says whether it is the engine of a container: another one's message is a text
        that its owner chose.
        """
        for key, held in self._held.items():
            if not speaks(held.home):
                continue
            container = held.event.container
            if target in (key.id, container.name if container is not None else None):
                self._held.pop(key)
                self._release(held, message)

    def _release(self, failure: _Failure, message: str | None) -> None:
        stop = failure.event.stop
        if stop is not None and message is not None:
            failure.event = replace(failure.event, stop=replace(stop, message=message))
        self._count(failure)

    def started(self, key: Hashable) -> int | None:
        """Note that a start succeeded; return how many failures came before it, None for none."""
        trouble = self._troubles.pop(key)
        return trouble.count if trouble is not None else None

    def expire(self, now: int) -> None:
        """Release failures whose answer did not come, and end troubles that have gone quiet."""
        while (held := self._held.oldest()) is not None and held[1].deadline <= now:
            self._held.pop(held[0])
            self._count(held[1])
        while (quiet := self._troubles.oldest()) is not None:
            key, trouble = quiet
            if trouble.last.time + QUIET > now:
                return
            self._troubles.pop(key)
            self._report_last(trouble)

    def deadline(self) -> int | None:
        """When to call :meth:`expire` for a failure that is held."""
        held = self._held.oldest()
        return held[1].deadline if held is not None else None

    def _count(self, failure: _Failure) -> None:
        key, event = failure.key, failure.event
        trouble = self._troubles.get(key)
        if trouble is None:
            made = _Trouble(1, event.time + PACE, PACE, event)
            beyond = self._troubles.put(key, made, failure.domain)
            if beyond is not None:
                self._report_last(beyond)
            self._emit(event)
            return
        self._troubles.put(key, trouble, failure.domain)
        trouble.count += 1
        trouble.last = event
        if event.time < trouble.due:
            self.folded += 1
            return
        trouble.pace = min(trouble.pace * 2, PACE_MAX)
        trouble.due = event.time + trouble.pace
        self._emit(self._counted(trouble))

    def _report_last(self, trouble: _Trouble) -> None:
        """Report the end of a trouble, unless its last failure was reported."""
        if trouble.reported < trouble.count:
            self._emit(self._counted(trouble))

    @staticmethod
    def _counted(trouble: _Trouble) -> Event:
        trouble.reported = trouble.count
        stop = trouble.last.stop
        if stop is None:
            return trouble.last
        return replace(trouble.last, stop=replace(stop, count=trouble.count))

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

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

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
"""Containers whose starts fail that are remembered; the one silent for longest goes first."""

HELD_MAX = 256
"""Failures that wait at the same time; beyond it they are reported without a message."""


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
class _Held:
    key: Hashable
    event: Event
    deadline: int
    home: Home


class FailedStarts:
    """Decides which failures become events. Times are ns since boot."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.folded = 0
        """Failures that are only counted."""
        self._emit = emit
        self._troubles: OrderedDict[Hashable, _Trouble] = OrderedDict()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """By the container's id."""

    def failed(self, key: Hashable, event: Event, now: int, *, home: Home | None) -> None:
        """Take a failure. ``home`` where its engine has not answered the request yet."""
        id_ = event.container.id if event.container is not None else None
        if home is not None and id_ is not None and len(self._held) < HELD_MAX:
            self._held[id_] = _Held(key, event, now + HOLD, home)
            return
        self._count(key, event)

    def explained(self, target: str, message: str | None, speaks: Callable[[Home], bool]) -> None:
        """Take an engine's refusal to start what a request called ``target``.

        ``speaks`` says whether it is the engine of a container: another one's message is a text
        that its owner chose.
        """
        for id_, held in list(self._held.items()):
            if not speaks(held.home):
                continue
            container = held.event.container
            if target in (id_, container.name if container is not None else None):
                del self._held[id_]
                self._release(held, message)

    def _release(self, held: _Held, message: str | None) -> None:
        stop = held.event.stop
        if stop is not None and message is not None:
            held.event = replace(held.event, stop=replace(stop, message=message))
        self._count(held.key, held.event)

    def started(self, key: Hashable) -> int | None:
        """Note that a start succeeded; return how many failures came before it, None for none."""
        trouble = self._troubles.pop(key, None)
        return trouble.count if trouble is not None else None

    def expire(self, now: int) -> None:
        """Release failures whose answer did not come, and end troubles that have gone quiet."""
        while self._held and next(iter(self._held.values())).deadline <= now:
            _, held = self._held.popitem(last=False)
            self._count(held.key, held.event)
        while self._troubles:
            key, trouble = next(iter(self._troubles.items()))
            if trouble.last.time + QUIET > now:
                return
            del self._troubles[key]
            self._report_last(trouble)

    def deadline(self) -> int | None:
        """When to call :meth:`expire` for a failure that is held."""
        held = next(iter(self._held.values()), None)
        return held.deadline if held is not None else None

    def _count(self, key: Hashable, event: Event) -> None:
        trouble = self._troubles.get(key)
        if trouble is None:
            self._troubles[key] = _Trouble(1, event.time + PACE, PACE, event)
            if len(self._troubles) > TROUBLES_MAX:
                self._report_last(self._troubles.popitem(last=False)[1])
            self._emit(event)
            return
        self._troubles.move_to_end(key)
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

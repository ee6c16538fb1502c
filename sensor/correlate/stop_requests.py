"""Requests and commands that asked an engine to end a container."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.correlate.containers import Run
    from sensor.model.vocabulary import EndedBy

STOPS_MAX = 4096
"""Containers of which a request to end them is remembered; the one asked for first goes first."""

GRACE_MAX = 600_000_000_000
"""Nanoseconds that a container may take to end after it was asked to (kubelet's grace period is
30 s by default)."""


class StopRequests:
    """Who asked for the end of which container, by the container's full id."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, tuple[int, EndedBy]] = OrderedDict()

    def add(self, container: str, wall: int, by: EndedBy) -> None:
        """Record that the end of a container was asked for, at a wall-clock time in ns."""
        self._asked[container] = (wall, by)
        self._asked.move_to_end(container)
        if len(self._asked) > STOPS_MAX:
            self._asked.popitem(last=False)

    def who_ended(self, run: Run) -> EndedBy | None:
        """Return who asked for the end of a run, None where nobody was seen to ask."""
        asked = self._asked.get(run.id)
        if asked is None or run.stopped_wall is None:
            return None
        wall, by = asked
        began = run.started_wall or 0
        return by if began <= wall <= run.stopped_wall <= wall + GRACE_MAX else None

"""Events that an engine never sent, inferred from those that it did; pure.

Docker throws events away when a subscriber is slower than 100 ms, and says nothing. But a run has
one start and one end: a start of what runs already, and an end of what does not run, prove that an
event in between is missing. What happened before the list of what runs was complete proves nothing.
containerd reports the end of a task that was created and never started, so there an end after a
creation proves nothing either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.vocabulary import Witness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.model.witness_records import EngineEvent

RUNNING_MAX = 10_000
"""Containers followed; with more of them nothing is inferred until the next list."""

_Key = tuple[str | None, str]


class Continuity:
    """What runs, by one engine's list and events."""

    def __init__(self) -> None:
        self._running: set[_Key] | None = None
        self._created: set[_Key] = set()
        self._listed_wall = 0

    def listed(self, running: Iterable[EngineEvent] | None, wall: int) -> None:
        """Take a list, complete at ``wall`` (ns since the epoch), or None for one that failed."""
        self._listed_wall = wall
        self._running = None if running is None else {(e.namespace, e.id) for e in running}

    def missed(self, event: EngineEvent) -> bool:
        """Take the next event and return whether one before it must be missing."""
        key = (event.namespace, event.id)
        if event.action == "create" and event.witness is Witness.CONTAINERD:
            self._created.add(key)
            if len(self._created) > RUNNING_MAX:
                self._created.clear()
                self._running = None
        if self._running is None or event.action not in ("start", "die"):
            return False
        unstarted = key in self._created
        self._created.discard(key)
        was_running = key in self._running
        starts = event.action == "start"
        if unstarted and not starts and not was_running:
            return False
        if starts:
            self._running.add(key)
        else:
            self._running.discard(key)
        if len(self._running) > RUNNING_MAX:
            self._running = None
        wall = event.engine_wall
        return was_running == starts and wall is not None and wall > self._listed_wall

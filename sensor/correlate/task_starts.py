"""Ties starts of this node to tasks of ECS: by the task's ARN and the runtime's id.

The ARN comes from the agent's file or from labels, and any client of the engine may write labels.
So a start is a task's for certain only where ECS reports the runtime's id of the container. Where
it reports another id for a container of that name, the start is not explained.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.correlate.ecs_chain import EcsChain
from sensor.correlate.start_explanation import start_explanation
from sensor.correlate.task_events import PATIENCE
from sensor.model.control_plane import ChainConfidence
from sensor.model.ecs_facts import EcsTouch
from sensor.model.vocabulary import EventType, StartKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.ecs_chain import Task
    from sensor.model.control_plane import ControlRecord, RequestedBy
    from sensor.model.events import Event

STARTS_LIMIT = 5000
"""Starts that wait; the oldest go first and stay unexplained."""


class TaskStarts:
    """Takes starts and records of AWS, gives explanations. Times are wall-clock ns."""

    def __init__(self) -> None:
        self.chain = EcsChain()
        self.explained = 0
        self.unexplained = 0
        self._starts: deque[Event] = deque()

    def __len__(self) -> int:
        return len(self._starts)

    def started(self, event: Event) -> None:
        """Take a start of this node, if it is one of a task. A restart has no request."""
        place, start = event.orchestrator, event.start
        if event.type is not EventType.START or place is None or place.task_arn is None:
            return
        if start is None or start.kind is not StartKind.FIRST:
            return
        self._starts.append(event)
        if len(self._starts) > STARTS_LIMIT:
            self._starts.popleft()
            self.unexplained += 1

    def add(self, record: ControlRecord, *, new: bool) -> None:
        """Take a record; of those that were taken before only reports have something to add."""
        if record.ecs is not None and (new or record.ecs.touch is EcsTouch.TASK):
            self.chain.add(record)

    def settle(self, now: int) -> Iterator[Event]:
        """Yield the explanations that are known at ``now``."""
        waiting, self._starts = self._starts, deque()
        for event in waiting:
            due = event.time + event.realtime_offset + PATIENCE <= now
            task = self.chain.task((event.orchestrator and event.orchestrator.task_arn) or "")
            requested = None if task is None else self._requested(event, task, due=due)
            if task is not None and requested is not None:
                self.explained += 1
                yield _explanation(event, task, requested, now)
            elif due:
                self.unexplained += 1
            else:
                self._starts.append(event)

    def _requested(self, event: Event, task: Task, *, due: bool) -> RequestedBy | None:
        """Return who asked for a start; before it is ``due`` only what is certain."""
        container, place = event.container, event.orchestrator
        id_ = None if container is None else container.id
        if id_ is not None and id_ in task.runtime_ids:
            return self.chain.requester(task) if due else self.chain.certain(task)
        name = None if place is None else place.container
        if not due or name in task.runtime_ids.values():
            return None
        requested = self.chain.requester(task)
        if requested is None or requested.confidence is not ChainConfidence.EXACT:
            return requested
        return replace(requested, confidence=ChainConfidence.INFERRED)


def _explanation(event: Event, task: Task, requested: RequestedBy, now: int) -> Event:
    place = event.orchestrator
    if place is not None:
        place = replace(
            place,
            requested_by=requested,
            owner=place.owner or task.owner,
            cluster=place.cluster or task.cluster,
            node=place.node or task.node,
        )
    return start_explanation(event, place, now)

"""Explanations of tasks of ECS: who asked for each, once, when the records say it.

CloudTrail comes minutes after EventBridge, so a task waits for its records. It is explained at once
where the answer of RunTask names it, else after ``patience``, or when the input ends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sensor.correlate.chain_index import SECOND
from sensor.correlate.ecs_chain import EcsChain
from sensor.correlate.start_explanation import record_explanation
from sensor.model.container import Orchestrator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.correlate.ecs_chain import Task
    from sensor.model.control_plane import ControlRecord, RequestedBy
    from sensor.model.events import Event

PATIENCE = 900 * SECOND
"""How long a task waits for records: CloudTrail needs five minutes on average, without promise."""
WAITING_LIMIT = 10_000
"""Tasks that wait; the oldest are answered with what is known."""


class TaskEvents:
    """Takes records, gives explanations. ``patience`` is in ns of the clock of reading."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.chain = EcsChain()
        self._patience = patience
        self._waiting: deque[tuple[int, Task]] = deque()

    def feed(self, record: ControlRecord, now: int) -> Iterator[Event]:
        """Take a record that was read at ``now``."""
        for task in self.chain.add(record):
            if task.explained:
                continue
            certain = self.chain.certain(task)
            if certain is not None:
                yield _explanation(task, certain, now)
            elif not task.waiting:
                task.waiting = True
                self._waiting.append((now, task))
        if len(self._waiting) > WAITING_LIMIT:
            yield from self._answered([self._waiting.popleft()[1]], now)

    def settle(self, now: int) -> Iterator[Event]:
        """Explain the tasks that have waited long enough."""
        due = []
        while self._waiting and self._waiting[0][0] + self._patience <= now:
            due.append(self._waiting.popleft()[1])
        yield from self._answered(due, now)

    def close(self, now: int) -> Iterator[Event]:
        """Explain the tasks that still wait: the input has ended."""
        due = [task for _, task in self._waiting]
        self._waiting.clear()
        yield from self._answered(due, now)

    def _answered(self, tasks: list[Task], now: int) -> Iterator[Event]:
        for task in sorted(tasks, key=lambda one: one.time):
            task.waiting = False
            if task.explained:
                continue
            requested = self.chain.requester(task)
            if requested is not None:
                yield _explanation(task, requested, now)


def _explanation(task: Task, requested: RequestedBy, now: int) -> Event:
    task.explained = True
    place = Orchestrator(
        type="ecs",
        container=task.container,
        cluster=task.cluster,
        node=task.node,
        owner=task.owner,
        task_arn=task.arn,
        requested_by=requested,
    )
    return record_explanation(task.key, task.time, place, now)

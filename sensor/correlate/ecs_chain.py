"""The walk from a task of ECS back to who asked for it.

1. The answer of RunTask or StartTask names its tasks: the caller asked, and the answer is exact.
2. Where EventBridge called RunTask for a rule, or its Scheduler for a schedule, who last wrote that
   asked (``ecs_rules``). It is met by name, so that this is inferred. Without a record of it the
   service is named, as inferred.
3. A service's own task has no such record (``ecs_services``).

``startedBy`` and ``group`` of a task are texts that the caller of RunTask may choose. So they make
no answer exact, and lead nowhere where an answer of RunTask names the task.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain_answer import Walk
from sensor.correlate.chain_records import HeldRecords
from sensor.correlate.ecs_rules import EcsRules, ran_by_time_table
from sensor.correlate.ecs_services import EcsServices, ServiceKey
from sensor.dataclass import dataclass
from sensor.model.control_plane import ControlRecord, Effect, Owner, RequestOutcome
from sensor.model.ecs_facts import EcsTouch

if TYPE_CHECKING:
    from sensor.model.control_plane import Request, RequestedBy, Workload

TASKS_LIMIT = 10_000
"""Tasks that are remembered."""
CONTAINERS_LIMIT = 64
"""Containers of one task whose ids are remembered: a task definition has at most ten."""
_DEPLOYMENT, _SERVICE_GROUP = "ecs-svc/", "service:"
_FAILED = frozenset({RequestOutcome.FAILURE, RequestOutcome.UNKNOWN})

TaskKey = tuple[str | None, str | None, str]
"""Account, region, the id at the end of the ARN."""


@dataclass(slots=True, eq=False)
class Task:
    """A task as the records show it."""

    key: TaskKey
    arn: str
    runs: list[ControlRecord] = field(default_factory=list)
    """Answers of RunTask or StartTask that name it: one, or records that contradict each other."""
    seen: ControlRecord | None = None
    """The first report of it."""
    created: int | None = None
    deployment: str | None = None
    """The deployment of its service, as it says."""
    service: ServiceKey | None = None
    definition: str | None = None
    node: str | None = None
    cluster: str | None = None
    runtime_ids: dict[str, str | None] = field(default_factory=dict)
    """The runtime's ids of its containers, with their names."""
    answer: RequestedBy | None = None
    explained: bool = False
    waiting: bool = False

    @property
    def owner(self) -> Owner | None:
        """What it was made from: its task definition."""
        return None if self.definition is None else Owner("TaskDefinition", self.definition)

    @property
    def time(self) -> int:
        """When it was created, or first asked for or seen."""
        times = [one.request.requested or 0 for one in self.runs]
        if self.created is not None:
            times.append(self.created)
        elif self.seen is not None:
            times.append(self.seen.request.requested or 0)
        return min(times, default=0)

    @property
    def container(self) -> str | None:
        """The name of its only container."""
        records = [one for one in (self.seen, *self.runs) if one is not None]
        names = {one.name for record in records for one in record.request.containers}
        return names.pop() if len(names) == 1 else None


class EcsChain:
    """Takes records of AWS in any order; answers who asked for a task."""

    def __init__(self, limit: int = TASKS_LIMIT) -> None:
        self._tasks: Bounded[TaskKey, Task] = Bounded(limit)
        self._held = HeldRecords()
        self._rules = EcsRules(self._held)
        self._services = EcsServices(self._held)

    def add(self, record: ControlRecord) -> list[Task]:
        """Take a record; return the tasks that it starts or reports."""
        facts, request = record.ecs, record.request
        if facts is None or request.outcome in _FAILED:
            return []
        workload = request.workload
        if facts.touch is EcsTouch.RUN:
            return [self._ran(record, arn, workload) for arn in facts.tasks]
        if facts.touch is EcsTouch.TASK:
            return [self._seen(record, arn, workload) for arn in facts.tasks]
        if facts.touch is EcsTouch.SCHEDULE and facts.rule is not None:
            self._rules.wrote(_home(request), facts.rule, record)
        elif facts.touch is EcsTouch.SERVICE and workload is not None:
            self._services.wrote(_service(request, workload.name), record, workload)
        elif facts.touch is EcsTouch.STEADY and workload is not None:
            name = (workload.service or "").rpartition("/")[2] or None
            self._services.steady(_service(request, name), request.requested or 0)
        elif facts.touch is EcsTouch.STOP and workload is not None:
            self._services.stopped(_service(request, _group(workload)), record)
        return []

    def task(self, arn: str) -> Task | None:
        """Return a task by its ARN."""
        return self._tasks.get(_key(arn, None))

    def forgotten(self) -> int:
        """Return how many tasks, rules, services and writes went for want of room."""
        tables = self._tasks.evicted + self._rules.evicted + self._services.evicted
        return tables + self._held.forgotten

    def certain(self, task: Task) -> RequestedBy | None:
        """Return the answer that no later record can change."""
        if task.answer is None and len(task.runs) == 1 and not ran_by_time_table(task.runs[0]):
            task.answer = self._direct(task)
        return task.answer

    def requester(self, task: Task) -> RequestedBy | None:
        """Return who asked for a task; None where no record says it."""
        if task.answer is None:
            task.answer = self._walk(task)
        return task.answer

    def _ran(self, record: ControlRecord, arn: str, workload: Workload | None) -> Task:
        task = self._task(record, arn, workload)
        actors = [one.request.actor for one in task.runs]
        if not task.runs or (len(task.runs) == 1 and record.request.actor not in actors):
            task.runs.append(record)
        return task

    def _seen(self, record: ControlRecord, arn: str, workload: Workload | None) -> Task:
        task = self._task(record, arn, workload)
        facts = record.ecs
        if task.seen is None or (task.created is None and facts is not None and facts.created):
            task.seen = record
        if facts is not None and facts.created is not None:
            task.created = facts.created
        if workload is not None and workload.started_by is not None and task.deployment is None:
            if workload.started_by.startswith(_DEPLOYMENT):
                task.deployment = workload.started_by
            task.service = _service(record.request, _group(workload))
        for one in record.request.containers:
            if one.id is not None and len(task.runtime_ids) < CONTAINERS_LIMIT:
                task.runtime_ids[one.id] = one.name
        return task

    def _task(self, record: ControlRecord, arn: str, workload: Workload | None) -> Task:
        key = _key(arn, record.request)
        task = self._tasks.get(key)
        if task is None:
            task = Task(key, arn)
            self._tasks.put(key, task)
        if arn.startswith("arn:"):
            task.arn = arn
        cluster = record.request.cluster
        if cluster is not None:
            task.cluster = task.cluster or cluster.name
        if workload is not None:
            task.definition = task.definition or workload.definition
            task.node = task.node or workload.node
        return task

    def _walk(self, task: Task) -> RequestedBy | None:
        if len(task.runs) == 1 and ran_by_time_table(task.runs[0]):
            return self._by_rule(task, task.runs[0])
        if task.runs:
            return self._direct(task)
        if task.service is None or task.deployment is None:
            return None
        found = self._services.cause(task.service, task.deployment, task.definition, task.time)
        if found is None:
            return None
        effect = Effect.REPLACEMENT if found.replaces else None
        return Walk((), exact=False).past(task.seen, exact=False).answer(found.records, effect)

    @staticmethod
    def _direct(task: Task) -> RequestedBy:
        return Walk((), exact=True).past(task.seen, exact=True).answer(task.runs)

    def _by_rule(self, task: Task, run: ControlRecord) -> RequestedBy:
        """Return who wrote the rule or the schedule that ran a task."""
        walk = Walk((), exact=True).past(task.seen, exact=True)
        causes = self._rules.causes(_home(run.request), run)
        if not causes:
            # The record of the rule, which would name its author, is missing.
            return walk.answer((run,), Effect.SCHEDULE, named=True)
        return walk.past(run, exact=False).answer(tuple(causes), Effect.SCHEDULE)


def _home(request: Request) -> tuple[str | None, str | None]:
    """Return the account and the region of a record."""
    cluster = request.cluster
    return (None, None) if cluster is None else (cluster.account, cluster.region)


_ARN_PARTS = 6
"""``arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE``"""


def _key(arn: str, request: Request | None) -> TaskKey:
    parts, tail = arn.split(":", _ARN_PARTS - 1), arn.rpartition("/")[2]
    if len(parts) == _ARN_PARTS:
        return parts[4], parts[3], tail
    account, region = (None, None) if request is None else _home(request)
    return account, region, tail


def _group(workload: Workload) -> str | None:
    """Return the name of the service that a task says it is of."""
    group = workload.group
    if group is None or not group.startswith(_SERVICE_GROUP):
        return None
    return group[len(_SERVICE_GROUP) :] or None


def _service(request: Request, name: str | None) -> ServiceKey | None:
    if name is None:
        return None
    cluster = None if request.cluster is None else request.cluster.name
    return (*_home(request), cluster or "default", name)

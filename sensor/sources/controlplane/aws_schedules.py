"""Calls of AWS that write a time table for tasks of ECS: rules of EventBridge, and its Scheduler.

Both run a task later with a role that the write names. ECS notes ``events-rule/NAME`` or
``chronos-schedule/NAME`` as the task's ``startedBy``, cut at ``STARTED_BY_LIMIT`` characters.

CloudTrail writes most parameters with a small first letter. No sample of the Scheduler's was at
hand, and some services have theirs as the API does, so its names are read in both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.control_plane import Effect, Standing, Workload
from sensor.model.ecs_facts import EcsFacts, EcsTouch
from sensor.sources.controlplane.aws_reading import Reading, tail
from sensor.sources.controlplane.json_text import Json, rows, table, text

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = "events.amazonaws.com"
SCHEDULER = "scheduler.amazonaws.com"
RULE, SCHEDULE = "events-rule/", "chronos-schedule/"
_RUNS_TASKS = (":ecs:", "aws-sdk:ecs:runTask")
"""What the ARN of a target holds that is a cluster, or the call of RunTask itself."""
_DEFAULT = "default"
"""The event bus, or the group, of what names none."""


def scheduled_by(started_by: str | None) -> str | None:
    """Return the ``startedBy`` of a task that a rule or a schedule ran; None for any other."""
    for prefix in (RULE, SCHEDULE):
        if started_by is not None and started_by.startswith(prefix) and started_by != prefix:
            return started_by
    return None


def _targets(asked: Json, _: Json) -> Reading:
    """A rule of EventBridge is given targets; one that is a task of ECS runs later."""
    runs = [one for one in rows(asked, "targets") if table(one, "ecsParameters")]
    name = text(asked, "rule")
    if not runs or name is None:
        return Reading()
    definition = tail(text(table(runs[0], "ecsParameters"), "taskDefinitionArn"))
    workload = Workload(kind="Rule", name=name, definition=definition)
    roles = {tail(text(one, "roleArn")) for one in runs}
    facts = EcsFacts(
        EcsTouch.SCHEDULE,
        rule=RULE + name,
        scope=tail(text(asked, "eventBusName")) or _DEFAULT,
        role=roles.pop() if len(roles) == 1 else None,
    )
    return Reading(Standing.RELATED, Effect.SCHEDULE, workload, in_cluster=False, facts=facts)


def _on_rule(asked: Json, _: Json) -> Reading:
    """A rule is written or switched on; its record does not show what it runs."""
    name = text(asked, "name")
    if name is None:
        return Reading()
    scope = tail(text(asked, "eventBusName")) or _DEFAULT
    facts = EcsFacts(EcsTouch.SCHEDULE, rule=RULE + name, scope=scope)
    workload = Workload(kind="Rule", name=name)
    return Reading(Standing.NO, Effect.CONFIG, workload, in_cluster=False, facts=facts)


def _on_schedule(asked: Json, answered: Json) -> Reading:
    """A schedule is made or written anew: each such call gives all of it."""
    name = _text(asked, "name")
    if name is None:
        return Reading()
    target = _table(asked, "target")
    given = _table(target, "ecsParameters")
    arn = _text(target, "arn")
    if arn is not None and not given and not any(part in arn for part in _RUNS_TASKS):
        return Reading()
    workload = Workload(
        kind="Schedule",
        name=name,
        definition=tail(_text(given, "taskDefinitionArn")),
        resource=_text(answered, "scheduleArn"),
    )
    facts = EcsFacts(
        EcsTouch.SCHEDULE,
        rule=SCHEDULE + name,
        scope=_text(asked, "groupName") or _DEFAULT,
        role=tail(_text(target, "roleArn")),
    )
    if _text(asked, "state") == "DISABLED" or arn is None:
        # Switched off, or the record does not show what it runs.
        return Reading(Standing.NO, Effect.CONFIG, workload, in_cluster=False, facts=facts)
    return Reading(Standing.RELATED, Effect.SCHEDULE, workload, in_cluster=False, facts=facts)


def _text(value: Json, key: str) -> str | None:
    return text(value, key) or text(value, key[:1].upper() + key[1:])


def _table(value: Json, key: str) -> Json:
    return table(value, key) or table(value, key[:1].upper() + key[1:])


CALLS: dict[tuple[str, str], Callable[[Json, Json], Reading]] = {
    (EVENTS, "PutTargets"): _targets,
    (EVENTS, "PutRule"): _on_rule,
    (EVENTS, "EnableRule"): _on_rule,
    (SCHEDULER, "CreateSchedule"): _on_schedule,
    (SCHEDULER, "UpdateSchedule"): _on_schedule,
}

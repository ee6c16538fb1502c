"""Rules of EventBridge and schedules of its Scheduler, as CloudTrail records their writes."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import Effect, Standing
from sensor.model.ecs_facts import EcsFacts, EcsTouch
from sensor.sources.controlplane.aws_schedules import EVENTS, SCHEDULER, scheduled_by
from sensor.sources.controlplane.ecs_calls import reading

Json = dict[str, Any]
TARGET: Json = {
    "arn": "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
    "roleArn": "arn:aws:iam::111122223333:role/service-role/runs-reports",
    "ecsParameters": {
        "taskDefinitionArn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/report:8",
        "launchType": "FARGATE",
    },
}
FACTS = EcsFacts(
    EcsTouch.SCHEDULE, rule="chronos-schedule/nightly", scope="default", role="runs-reports"
)


def capitals(value: Any) -> Any:
    """Return a value with its names as the API itself spells them."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: capitals(one) for key, one in value.items()}
    return value


def test_a_rule_that_runs_tasks_is_a_schedule() -> None:
    found = reading(EVENTS, "PutTargets", {"rule": "nightly", "targets": [TARGET]}, {})
    assert (found.standing, found.effect) == (Standing.RELATED, Effect.SCHEDULE)
    assert found.facts == EcsFacts(
        EcsTouch.SCHEDULE, rule="events-rule/nightly", scope="default", role="runs-reports"
    )
    assert found.workload is not None
    assert found.workload.definition == "report:8"


def test_a_rule_that_runs_something_else_is_none_of_ours() -> None:
    found = reading(EVENTS, "PutTargets", {"rule": "x", "targets": [{"arn": "arn:lambda"}]}, {})
    assert (found.standing, found.facts) == (Standing.NO, None)


def test_a_rule_of_another_bus_is_another_rule() -> None:
    bus = "arn:aws:events:eu-central-1:111122223333:event-bus/orders"
    found = reading(EVENTS, "PutRule", {"name": "nightly", "eventBusName": bus}, {})
    assert found.facts == EcsFacts(EcsTouch.SCHEDULE, rule="events-rule/nightly", scope="orders")


def test_targets_of_several_roles_name_none() -> None:
    targets = [TARGET, TARGET | {"roleArn": "arn:aws:iam::1:role/another"}]
    found = reading(EVENTS, "PutTargets", {"rule": "nightly", "targets": targets}, {})
    assert found.facts is not None
    assert found.facts.role is None


@pytest.mark.parametrize("name", ["CreateSchedule", "UpdateSchedule"])
@pytest.mark.parametrize("spelled", [dict, capitals])
def test_a_schedule_that_runs_tasks_is_a_schedule(name: str, spelled: Any) -> None:
    answer = {"scheduleArn": "arn:aws:scheduler:eu-central-1:1:schedule/default/nightly"}
    found = reading(SCHEDULER, name, spelled({"name": "nightly", "target": TARGET}), answer)
    assert (found.standing, found.effect) == (Standing.RELATED, Effect.SCHEDULE)
    assert found.facts == FACTS
    assert found.workload is not None
    assert (found.workload.kind, found.workload.name) == ("Schedule", "nightly")
    assert found.workload.definition == "report:8"
    assert found.workload.resource == answer["scheduleArn"]


def test_a_schedule_may_call_runtask_itself() -> None:
    target = {"arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "roleArn": TARGET["roleArn"]}
    found = reading(SCHEDULER, "CreateSchedule", {"name": "nightly", "target": target}, {})
    assert (found.effect, found.facts) == (Effect.SCHEDULE, FACTS)


def test_a_schedule_that_runs_something_else_is_none_of_ours() -> None:
    target = {"arn": "arn:aws:lambda:eu-central-1:1:function:f", "roleArn": "arn:aws:iam::1:role/r"}
    found = reading(SCHEDULER, "CreateSchedule", {"name": "nightly", "target": target}, {})
    assert (found.standing, found.facts, found.workload) == (Standing.NO, None, None)


def test_a_schedule_that_is_switched_off_or_hidden_starts_nothing_and_has_an_author() -> None:
    off = {"name": "nightly", "target": TARGET, "state": "DISABLED", "groupName": "reports"}
    for asked, scope in ((off, "reports"), ({"name": "nightly"}, "default")):
        found = reading(SCHEDULER, "UpdateSchedule", asked, {})
        assert (found.standing, found.effect) == (Standing.NO, Effect.CONFIG)
        assert found.facts is not None
        assert (found.facts.rule, found.facts.scope) == ("chronos-schedule/nightly", scope)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("events-rule/nightly", "events-rule/nightly"),
        ("chronos-schedule/nightly", "chronos-schedule/nightly"),
        ("chronos-schedule/", None),
        ("ecs-svc/1", None),
        ("alice", None),
        (None, None),
    ],
)
def test_a_task_says_which_time_table_ran_it(given: str | None, expected: str | None) -> None:
    assert scheduled_by(given) == expected

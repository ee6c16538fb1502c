"""What a call of AWS leaves for the walk from a task; values of wrong types are unknown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.ecs_facts import EcsFacts, EcsTouch
from sensor.sources.controlplane.aws_schedules import EVENTS, SCHEDULER
from sensor.sources.controlplane.ecs_calls import ECS, reading

Json = dict[str, Any]
LISTED = [{"id": "ecs-svc/1", "status": "ACTIVE"}, {"id": "ecs-svc/2", "status": "PRIMARY"}]


def facts(name: str, asked: Json, answered: Json, service: str = ECS) -> EcsFacts | None:
    return reading(service, name, asked, answered).facts


def answer(running: int | None = None, desired: int = 5) -> Json:
    return {"service": {"desiredCount": desired, "runningCount": running, "deployments": LISTED}}


def test_an_answer_of_runtask_names_all_tasks() -> None:
    tasks = [{"taskArn": "arn:a"}, {"taskArn": None}, {"taskArn": "arn:b"}]
    found = facts("RunTask", {"startedBy": "events-rule/nightly"}, {"tasks": tasks})
    assert found == EcsFacts(EcsTouch.RUN, ("arn:a", "arn:b"), rule="events-rule/nightly")


@pytest.mark.parametrize(
    ("asked", "running", "capacity"),
    [
        ({"taskDefinition": "web:2"}, 5, 5),
        ({"forceNewDeployment": True}, 5, 5),
        ({"desiredCount": 5}, 2, 3),
        ({"desiredCount": 5}, None, None),
    ],
)
def test_a_write_of_a_service_says_how_many_tasks_it_can_have_caused(
    asked: Json, running: int | None, capacity: int | None
) -> None:
    found = facts("UpdateService", asked, answer(running))
    assert found == EcsFacts(EcsTouch.SERVICE, deployment="ecs-svc/2", capacity=capacity)


@pytest.mark.parametrize("asked", [{"desiredCount": 1}, {"desiredCount": 0}, {"propagateTags": 1}])
def test_a_write_that_starts_nothing_is_no_cause(asked: Json) -> None:
    assert facts("UpdateService", asked, answer(5)) is None


ONE = [{"id": "ecs-svc/1", "status": "PRIMARY"}]
RUNS = [{"id": "ecs-svc/1", "status": "PRIMARY", "runningCount": 2}]
"""The task definition that the console names is the one that runs already."""
DEPLOYMENT = "arn:aws:ecs:eu-central-1:1:service-deployment/c/web/0f"


@pytest.mark.parametrize(
    ("name", "asked", "deployments", "reads"),
    [
        ("UpdateService", {"networkConfiguration": {"x": 1}}, LISTED, ("possible", "rollout")),
        ("UpdateService", {"networkConfiguration": {"x": 1}}, ONE, ("no", "config")),
        ("UpdateService", {"platformVersion": "1.4.0"}, [], ("possible", "rollout")),
        ("UpdateService", {"enableExecuteCommand": True}, LISTED, ("no", "config")),
        (
            "UpdateService",
            {"taskDefinition": "web:1", "desiredCount": 5},
            RUNS,
            ("requested", "scale_up"),
        ),
        ("UpdateService", {"taskDefinition": "web:2"}, LISTED, ("requested", "rollout")),
        ("UpdateService", {"taskDefinition": "web:2"}, ONE, ("requested", "rollout")),
        ("CreateService", {"deploymentController": {"type": "EXTERNAL"}}, ONE, ("no", "config")),
        ("CreateService", {"schedulingStrategy": "DAEMON"}, ONE, ("requested", "start")),
        ("CreateService", {"desiredCount": 0}, ONE, ("no", "config")),
        ("CreateTaskSet", {"scale": {"value": 0}}, [], ("no", "config")),
        ("CreateTaskSet", {"scale": {"value": 50}}, [], ("requested", "start")),
        (
            "StopServiceDeployment",
            {"serviceDeploymentArn": DEPLOYMENT},
            [],
            ("possible", "rollout"),
        ),
        ("StopServiceDeployment", {"stopType": "ABORT"}, [], ("no", "config")),
    ],
)
def test_a_write_of_a_service_starts_what_it_changes(
    name: str, asked: Json, deployments: list[Json], reads: tuple[str, str]
) -> None:
    answered = {"service": {"desiredCount": 0, "runningCount": 2, "deployments": deployments}}
    found = reading(ECS, name, asked, answered)
    assert (found.standing, found.effect) == reads
    if "serviceDeploymentArn" in asked:
        assert found.workload is not None
        assert found.workload.name == "web"


def test_another_service_is_not_read() -> None:
    assert reading("s3.amazonaws.com", "RunTask", {}, {"tasks": [{"taskArn": "a"}]}).facts is None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["service", "deployments", "tasks", "targets", "ecsParameters", "rule", "arn"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["service", "tasks", "task", "targets", "rule", "name", "startedBy", "target"]
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_values_of_any_type_are_read(data: st.DataObject) -> None:
    service, name = data.draw(
        st.sampled_from(
            [
                (ECS, "RunTask"),
                (ECS, "UpdateService"),
                (ECS, "CreateService"),
                (ECS, "StopTask"),
                (ECS, "SubmitTaskStateChange"),
                (EVENTS, "PutTargets"),
                (EVENTS, "PutRule"),
                (SCHEDULER, "CreateSchedule"),
                (SCHEDULER, "UpdateSchedule"),
            ]
        )
    )
    blocks = st.dictionaries(KEYS, ODD, max_size=4)
    reading(service, name, data.draw(blocks), data.draw(blocks))

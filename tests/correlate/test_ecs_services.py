"""A service's scheduler starts tasks on behalf of who wrote the service."""

from __future__ import annotations

from sensor.model.control_plane import ActorKind, ChainConfidence, Effect
from tests.correlate.ecs_log import NEXT, EcsLog
from tests.correlate.test_ecs_chain import answers

AUTOSCALING = "ecs.application-autoscaling.amazonaws.com"


def test_the_first_tasks_are_of_who_made_the_service() -> None:
    log = EcsLog()
    log.created(0, "alice", 2)
    log.ran(15, "a")
    log.ran(2000, "b")
    found = answers(log.lines)
    assert {name: (one.actor, one.confidence) for name, one in found.items()} == {
        "a": ("alice", ChainConfidence.INFERRED),
        "b": ("alice", ChainConfidence.INFERRED),
    }
    assert [step.action for step in found["a"].chain] == [
        "ECS Task State Change RUNNING",
        "ecs:CreateService",
    ]


def test_a_task_more_than_was_asked_for_is_the_schedulers_own() -> None:
    log = EcsLog()
    log.created(0, "alice", 1)
    log.ran(15, "a")
    log.ran(40, "b")
    assert set(answers(log.lines)) == {"a"}


def test_a_task_long_after_a_deployment_is_the_schedulers_own() -> None:
    log = EcsLog()
    log.created(0, "alice", 1)
    log.ran(4 * 3600, "a")
    assert answers(log.lines) == {}


def test_a_scale_starts_as_many_tasks_as_it_adds() -> None:
    log = EcsLog()
    log.created(0, "alice", 1)
    log.ran(15, "a")
    log.scaled(1000, "bob", 2, 1)
    log.ran(1010, "b")
    log.ran(1020, "c")
    found = answers(log.lines)
    assert {name: one.actor for name, one in found.items()} == {"a": "alice", "b": "bob"}
    assert found["b"].effect is Effect.SCALE_UP


def test_autoscaling_is_named_as_the_service_that_it_is() -> None:
    log = EcsLog()
    log.scaled(0, AUTOSCALING, 3, 2)
    log.ran(10, "a")
    found = answers(log.lines)["a"]
    assert (found.actor, found.kind) == ("role-of-ecs", ActorKind.CLOUD_SERVICE)


def test_a_forced_deployment_restarts_all_tasks() -> None:
    log = EcsLog()
    log.service(0, "bob", {"forceNewDeployment": True}, deployment=NEXT, desired=2, running=2)
    log.ran(15, "a", started_by=NEXT)
    log.ran(95, "b", started_by=NEXT)
    found = answers(log.lines)
    assert {name: (one.actor, one.effect) for name, one in found.items()} == {
        "a": ("bob", Effect.RESTART),
        "b": ("bob", Effect.RESTART),
    }


def test_a_task_in_place_of_a_stopped_one_is_of_who_stopped_it() -> None:
    log = EcsLog()
    log.created(0, "alice", 1)
    log.ran(15, "a")
    log.stopped(5000, "carol", "a")
    log.ran(5030, "b")
    found = answers(log.lines)["b"]
    assert (found.actor, found.effect) == ("carol", Effect.REPLACEMENT)


def test_two_writes_at_work_at_once_are_ambiguous() -> None:
    log = EcsLog()
    log.created(0, "alice", 5)
    log.scaled(20, "bob", 8, 1)
    log.ran(30, "a")
    found = answers(log.lines)["a"]
    assert (found.confidence, found.candidates) == (ChainConfidence.AMBIGUOUS, ("bob", "alice"))
    assert found.actor is None


def test_a_deployment_whose_write_is_missing_is_no_other_writers() -> None:
    log = EcsLog()
    log.created(0, "alice", 5)
    log.ran(30, "a", started_by=NEXT)
    assert answers(log.lines) == {}


def test_a_write_of_another_definition_is_not_the_cause() -> None:
    log = EcsLog()
    log.created(0, "alice", 5)
    log.ran(30, "a", revision="web:9")
    assert answers(log.lines) == {}


def test_a_write_whose_answer_is_cut_counts_for_ten_minutes() -> None:
    log = EcsLog()
    log.service(0, "alice", {"forceNewDeployment": True}, deployment=None)
    log.ran(30, "a")
    log.ran(1200, "b")
    assert {name: one.actor for name, one in answers(log.lines).items()} == {"a": "alice"}


def test_a_new_number_of_none_asks_for_nothing() -> None:
    log = EcsLog()
    log.scaled(0, "bob", 0, 2)
    log.ran(10, "a")
    assert answers(log.lines) == {}


def test_a_task_before_a_write_takes_nothing_of_what_that_asked_for() -> None:
    """Bob's rollout ends while carol scales: each task is its own author's, or ambiguous."""
    log = EcsLog()
    log.service(0, "bob", {"forceNewDeployment": True}, deployment=NEXT, desired=1, running=1)
    log.ran(700, "a", started_by=NEXT)
    log.service(701, "carol", {"desiredCount": 2}, deployment=NEXT, desired=2, running=1)
    log.ran(705, "b", started_by=NEXT)
    found = answers(log.lines)
    assert found["a"].candidates == ("bob", "carol")
    assert found["b"].actor == "carol"


def steady(log: EcsLog, time: float) -> None:
    detail = {
        "eventType": "INFO",
        "eventName": "SERVICE_STEADY_STATE",
        "clusterArn": "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
    }
    log.ran(time - 21, "-")
    line = log.lines[-1]
    service = "arn:aws:ecs:eu-central-1:111122223333:service/prod/web"
    line |= {"detail-type": "ECS Service Action", "resources": [service], "detail": detail}


def test_a_service_that_has_all_its_tasks_owes_none_to_an_earlier_write() -> None:
    """One of two reports of tasks is missing; the scheduler replaces a task an hour later."""
    log = EcsLog()
    log.created(0, "alice", 2)
    log.ran(15, "a")
    steady(log, 120)
    log.ran(3600, "b")
    assert {name: one.actor for name, one in answers(log.lines).items()} == {"a": "alice"}


def test_a_report_right_after_a_write_says_nothing_of_it() -> None:
    log = EcsLog()
    log.scaled(100, "bob", 3, 2)
    steady(log, 110)
    log.ran(130, "c")
    assert answers(log.lines)["c"].actor == "bob"

"""A task of ECS is walked back to who asked for it; exact is what the records prove."""

from __future__ import annotations

import random

import pytest

from sensor.correlate.ecs_chain import TASKS_LIMIT, EcsChain
from sensor.model.control_plane import ActorKind, ChainConfidence, Effect, RequestedBy
from tests.correlate.ecs_log import DEPLOYMENT, NEXT, RULES, EcsLog, Json, arn, records

EXACT, INFERRED = ChainConfidence.EXACT, ChainConfidence.INFERRED


def answers(lines: list[Json]) -> dict[str, RequestedBy]:
    """Return the requester of each task by the end of its ARN, asked in the order of creation."""
    chain, tasks = EcsChain(), {}
    for record in records(lines):
        tasks.update({task.arn: task for task in chain.add(record)})
    found = {}
    for task in sorted(tasks.values(), key=lambda one: one.time):
        answer = chain.requester(task)
        if answer is not None:
            found[task.arn.rpartition("/")[2]] = answer
    return found


def test_a_task_of_runtask_was_asked_for_by_its_caller() -> None:
    log = EcsLog()
    log.run(0, "alice", "a", "b")
    log.ran(1, "a", started_by="alice", group="family:job", revision="job:1", container="job")
    found = answers(log.lines)
    assert {name: (one.actor, one.confidence) for name, one in found.items()} == {
        "a": ("alice", EXACT),
        "b": ("alice", EXACT),
    }
    assert [step.action for step in found["a"].chain] == [
        "ECS Task State Change RUNNING",
        "ecs:RunTask",
    ]


def test_a_failed_runtask_asked_for_nothing() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.lines[0]["errorCode"] = "AccessDenied"
    assert answers(log.lines) == {}


def test_two_answers_that_contradict_each_other_are_ambiguous() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.run(1, "bob", "a")
    log.run(2, "alice", "a")
    found = answers(log.lines)["a"]
    assert (found.confidence, found.candidates) == (ChainConfidence.AMBIGUOUS, ("alice", "bob"))


def test_a_scheduled_task_was_asked_for_by_who_wrote_the_rule_last() -> None:
    log = EcsLog()
    targets = {"rule": "nightly", "targets": [{"ecsParameters": {"taskDefinitionArn": "job:1"}}]}
    log.call(0, "alice", "PutRule", {"name": "nightly"}, {})
    log.call(60, "bob", "PutTargets", targets, {})
    log.call(70, "carol", "PutTargets", {**targets, "rule": "another"}, {})
    log.run(3600, RULES, "a", started_by="events-rule/nightly")
    log.call(4000, "dave", "PutRule", {"name": "nightly"}, {})
    found = answers(log.lines)["a"]
    assert (found.actor, found.effect, found.confidence) == ("bob", Effect.SCHEDULE, INFERRED)
    assert [step.action for step in found.chain] == ["ecs:RunTask", "events:PutTargets"]


def test_two_writers_of_a_rule_at_once_are_ambiguous() -> None:
    log = EcsLog()
    log.call(0, "alice", "PutRule", {"name": "nightly"}, {})
    log.call(2, "bob", "EnableRule", {"name": "nightly"}, {})
    log.run(60, RULES, "a", started_by="events-rule/nightly")
    assert answers(log.lines)["a"].candidates == ("bob", "alice")


def test_without_a_record_of_the_rule_eventbridge_is_named() -> None:
    log = EcsLog()
    log.run(0, RULES, "a", started_by="events-rule/nightly")
    found = answers(log.lines)["a"]
    assert (found.actor, found.kind) == ("role-of-events", ActorKind.CLOUD_SERVICE)
    assert (found.effect, found.confidence) == (Effect.SCHEDULE, INFERRED)


def test_a_person_who_borrows_a_rules_name_is_the_requester() -> None:
    log = EcsLog()
    log.call(0, "alice", "PutRule", {"name": "nightly"}, {})
    log.run(60, "mallory", "a", started_by="events-rule/nightly")
    found = answers(log.lines)["a"]
    assert (found.actor, found.confidence) == ("mallory", EXACT)


def test_a_person_who_borrows_a_services_deployment_is_the_requester() -> None:
    log = EcsLog()
    log.created(0, "alice")
    log.run(30, "mallory", "a", started_by=DEPLOYMENT)
    log.ran(30, "a")
    found = answers(log.lines)["a"]
    assert (found.actor, found.confidence) == ("mallory", EXACT)


def test_another_account_has_services_and_tasks_of_its_own() -> None:
    log = EcsLog()
    log.created(0, "alice")
    log.ran(20, "a")
    log.lines[1]["account"] = "999999999999"
    log.lines[1]["detail"]["taskArn"] = arn("a").replace("111122223333", "999999999999")
    assert answers(log.lines) == {}


def test_tasks_are_bounded_and_the_rest_is_counted() -> None:
    log = EcsLog()
    log.run(0, "alice", *(f"task-{number}" for number in range(200)))
    chain = EcsChain(limit=50)
    for record in records(log.lines):
        chain.add(record)
    assert chain.forgotten() == 150
    assert chain.task(arn("task-199")) is not None
    assert TASKS_LIMIT > 50


def story() -> tuple[EcsLog, dict[str, str]]:
    """Return a day of one cluster, and who truly asked for each task."""
    log, truth = EcsLog(), {}
    log.created(0, "alice", 3)
    for number in range(3):
        log.ran(10 + number, f"create-{number}")
        truth[f"create-{number}"] = "alice"
    log.scaled(1000, "bob", 5, 3)
    for number in range(2):
        log.ran(1010 + number, f"scale-{number}")
        truth[f"scale-{number}"] = "bob"
    asked = {"taskDefinition": "web:2"}
    log.service(4000, "ci", asked, deployment=NEXT, desired=5, running=5, revision=2)
    for number in range(5):
        log.ran(4010 + 60 * number, f"roll-{number}", started_by=NEXT, revision="web:2")
        truth[f"roll-{number}"] = "ci"
    log.stopped(9000, "carol", "roll-0")
    log.ran(9030, "again-0", started_by=NEXT, revision="web:2")
    truth["again-0"] = "carol"
    log.run(9500, "mallory", "fake", started_by=NEXT)
    log.ran(9501, "fake", started_by=NEXT)
    truth["fake"] = "mallory"
    log.call(9600, "dave", "PutRule", {"name": "nightly"}, {})
    log.run(9700, RULES, "night", started_by="events-rule/nightly")
    truth["night"] = "dave"
    for number, user in enumerate(("alice", "bob")):
        log.run(9800 + number, user, f"run-{number}")
        truth[f"run-{number}"] = user
    return log, truth


def test_every_task_of_a_whole_log_has_its_true_requester_in_any_order() -> None:
    log, truth = story()
    for seed in range(20):
        lines = log.lines.copy()
        random.Random(seed).shuffle(lines)
        assert {name: one.actor for name, one in answers(lines).items()} == truth


@pytest.mark.parametrize("missing", [0.1, 0.3, 0.6])
def test_no_exact_answer_is_wrong_whatever_is_missing(missing: float) -> None:
    log, truth = story()
    exact = 0
    for seed in range(100):
        chance = random.Random(seed)
        lines = [line for line in log.lines if chance.random() >= missing]
        chance.shuffle(lines)
        for name, one in answers(lines).items():
            if one.confidence is EXACT:
                exact += 1
                assert one.actor == truth[name]
    assert exact

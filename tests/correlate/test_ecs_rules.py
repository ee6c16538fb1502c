"""A task that a rule or a schedule ran was asked for by who wrote that last."""

from __future__ import annotations

import pytest

from sensor.correlate.chain_records import HeldRecords
from sensor.correlate.ecs_chain import EcsChain
from sensor.correlate.ecs_rules import RULES_LIMIT, STARTED_BY_LIMIT, EcsRules
from sensor.model.control_plane import ActorKind, ChainConfidence, Effect, RequestedBy
from tests.correlate.ecs_log import RULES, SCHEDULER, EcsLog, records

LONG = "a-schedule-with-a-name-too-long"
CUT = f"chronos-schedule/{LONG}"[:STARTED_BY_LIMIT]


def answer(log: EcsLog) -> RequestedBy | None:
    """Return the requester of the one task of a log."""
    chain, tasks = EcsChain(), {}
    for record in records(log.lines):
        tasks.update({task.arn: task for task in chain.add(record)})
    (task,) = tasks.values()
    return chain.requester(task)


def actor(log: EcsLog) -> str | None:
    found = answer(log)
    return None if found is None else found.actor


def ran(log: EcsLog, time: float = 3600, started_by: str = "chronos-schedule/nightly") -> None:
    log.run(time, SCHEDULER, "a", started_by=started_by)


def test_a_task_of_a_schedule_was_asked_for_by_who_wrote_it_last() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.schedule(60, "bob", "nightly", verb="UpdateSchedule")
    log.schedule(70, "carol", "another")
    ran(log)
    log.schedule(4000, "dave", "nightly", verb="UpdateSchedule")
    found = answer(log)
    assert found is not None
    assert (found.actor, found.effect) == ("bob", Effect.SCHEDULE)
    assert found.confidence is ChainConfidence.INFERRED
    assert [step.action for step in found.chain] == ["ecs:RunTask", "scheduler:UpdateSchedule"]


def test_records_in_any_order_give_the_same_answer() -> None:
    log = EcsLog()
    ran(log)
    log.schedule(60, "bob", "nightly", verb="UpdateSchedule")
    log.schedule(0, "alice", "nightly")
    assert actor(log) == "bob"


def test_without_a_record_of_the_schedule_the_scheduler_is_named() -> None:
    log = EcsLog()
    ran(log)
    found = answer(log)
    assert found is not None
    assert (found.actor, found.kind) == ("role-of-scheduler", ActorKind.CLOUD_SERVICE)
    assert found.confidence is ChainConfidence.INFERRED


@pytest.mark.parametrize("caller", ["mallory", RULES, "states.amazonaws.com"])
def test_another_caller_that_borrows_the_name_of_a_schedule_is_the_requester(caller: str) -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.run(60, caller, "a", started_by="chronos-schedule/nightly")
    assert actor(log) != "alice"


def test_a_failed_write_of_a_schedule_asked_for_nothing() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.schedule(60, "mallory", "nightly", verb="UpdateSchedule")
    log.lines[-1]["errorCode"] = "AccessDenied"
    ran(log)
    assert actor(log) == "alice"


def test_a_name_that_is_cut_is_met_by_its_begin() -> None:
    log = EcsLog()
    log.schedule(0, "alice", LONG)
    log.schedule(60, "bob", LONG[:8])
    ran(log, started_by=CUT)
    assert actor(log) == "alice"


def test_names_that_are_alike_once_they_are_cut_are_ambiguous() -> None:
    log = EcsLog()
    log.schedule(0, "alice", LONG)
    log.schedule(600, "bob", LONG + "-2")
    ran(log, started_by=CUT)
    found = answer(log)
    assert found is not None
    assert found.confidence is ChainConfidence.AMBIGUOUS
    assert set(found.candidates) == {"alice", "bob"}


@pytest.mark.parametrize("other", [{"role": "another"}, {"runs": "another:3"}])
def test_a_schedule_of_another_role_or_task_definition_ran_something_else(
    other: dict[str, str],
) -> None:
    log = EcsLog()
    log.schedule(0, "alice", LONG)
    log.schedule(600, "bob", LONG + "-2", **other)
    ran(log, started_by=CUT)
    found = answer(log)
    assert found is not None
    assert (found.actor, found.candidates) == ("alice", ())


def test_schedules_of_one_name_in_two_groups_are_ambiguous() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.schedule(600, "bob", "nightly", group="reports")
    ran(log)
    found = answer(log)
    assert found is not None
    assert found.confidence is ChainConfidence.AMBIGUOUS


def test_two_writers_of_a_schedule_at_once_are_ambiguous() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.schedule(2, "bob", "nightly", verb="UpdateSchedule")
    ran(log)
    found = answer(log)
    assert found is not None
    assert found.candidates == ("bob", "alice")


def test_a_rule_and_a_schedule_of_one_name_are_two() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    log.call(60, "bob", "PutRule", {"name": "nightly"}, {})
    ran(log)
    assert actor(log) == "alice"


def test_rules_are_bounded_and_the_rest_is_counted() -> None:
    log = EcsLog()
    log.schedule(0, "alice", "nightly")
    (write,) = records(log.lines)
    rules = EcsRules(HeldRecords())
    for number in range(RULES_LIMIT + 5):
        rules.wrote((None, None), f"events-rule/{number}", write)
    assert rules.evicted == 5

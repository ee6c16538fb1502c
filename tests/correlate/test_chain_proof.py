"""An exact answer is never wrong, whatever records are missing."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any
from unittest.mock import Mock

import pytest

from sensor.correlate import chain_proof
from sensor.correlate.request_events import WHOLE_INPUT, RequestEvents
from sensor.model.control_plane import ChainConfidence, ControlRecord, RequestedBy
from sensor.model.vocabulary import EventType
from tests.correlate.audit_log import (
    CLUSTER,
    CONTROLLER,
    SCENARIO,
    TEMPLATE,
    Log,
    lines,
    records,
    started,
)

NOW = 1_900_000_000_000_000_000


@lru_cache
def logs() -> tuple[list[ControlRecord], ...]:
    paths = (SCENARIO / "audit.log", CLUSTER / "audit.jsonl")
    return tuple(records(path.read_bytes()) for path in paths)


@lru_cache
def truth() -> dict[str, tuple[str, str]]:
    """Return who asked for each pod of both logs, and in which request, by the pod's uid."""
    reported = {
        one["pod"]["uid"]: (one["requested_by"], one["request"]["auditID"])
        for one in lines(SCENARIO / "chains.jsonl")
    }
    for one in lines(CLUSTER / "truth.jsonl"):
        asked = one["asked"]
        outside = one.get("restartCount") or one.get("inApi") is False or not one.get("pod")
        if not outside and one.get("containerType") != "ephemeral" and asked["user"] is not None:
            who = asked.get("impersonated_by") or asked["user"]
            reported[one["uid"]] = (who, asked["auditID"])
    return reported


def answers(given: list[ControlRecord]) -> dict[str, RequestedBy]:
    """Return the requesters that the events name, by the pod's uid."""
    made = RequestEvents(WHOLE_INPUT)
    events = [event for record in given for event in made.feed(record, NOW)]
    return {
        one.orchestrator.pod_uid: one.orchestrator.requested_by
        for one in [*events, *made.close(NOW)]
        if one.type is EventType.START_EXPLAINED
        and one.orchestrator is not None
        and one.orchestrator.requested_by is not None
        and one.orchestrator.pod_uid is not None
    }


def exact(given: list[ControlRecord]) -> dict[str, tuple[str | None, str | None]]:
    return {
        uid: (one.actor, one.request_id)
        for uid, one in answers(given).items()
        if one.confidence is ChainConfidence.EXACT
    }


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("missing", [0.1, 0.3, 0.6])
def test_an_exact_answer_is_right_when_records_are_missing_shuffled_and_doubled(
    missing: float, seed: int
) -> None:
    for log in logs():
        chance = random.Random(f"{missing} {seed}")
        kept = [one for one in log if chance.random() >= missing]
        kept += [one for one in kept if chance.random() < 0.1]
        chance.shuffle(kept)
        found = exact(kept)
        known = {uid: one for uid, one in found.items() if uid in truth()}
        assert known == {uid: truth()[uid] for uid in known}


def test_most_answers_are_exact_when_a_tenth_of_the_records_is_missing() -> None:
    whole = lost = 0
    for log in logs():
        whole += len(exact(log))
        chance = random.Random(1)
        lost += len(exact([one for one in log if chance.random() >= 0.1]))
    assert whole > 100
    assert lost > 0.6 * whole


@pytest.mark.parametrize("which", range(2), ids=["scenario", "cluster"])
def test_an_exact_answer_is_right_without_any_one_record(which: int) -> None:
    log = logs()[which]
    for gone in range(0, len(log), 6):
        found = exact(log[:gone] + log[gone + 1 :])
        known = {uid: one for uid, one in found.items() if uid in truth()}
        assert known == {uid: truth()[uid] for uid in known}


# ------------------------------------------------------------------------------ made-up logs


def confidence(log: Log, pod: str) -> ChainConfidence:
    return log.answers()[pod].confidence


def test_the_pods_of_a_new_deployment_are_proven() -> None:
    log = started()
    assert {one.confidence for one in log.answers().values()} == {ChainConfidence.EXACT}


def test_a_pod_that_comes_later_is_not_proven() -> None:
    log = started()
    log.lines.pop()  # The second pod: its creation is missing.
    log.pod(60, "web-1-bbbbb", "web-1")
    assert confidence(log, "web-1-bbbbb") is ChainConfidence.INFERRED


def test_one_pod_more_than_was_asked_for_is_not_proven() -> None:
    log = started()
    log.pod(0.5, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_replica_set_of_another_template_is_not_that_writes() -> None:
    """The write that changed the template is missing: the older one did not ask for this."""
    log = Log()
    log.deployment(0, "alice", 2)
    log.replicaset(0.2, "web-2", 2, template="web:2")
    log.pod(0.21, "web-2-aaaaa", "web-2")
    assert log.answers() == {}


def scaled(log: Log, time: float, user: str, new: int, old: int) -> None:
    answer = {
        "kind": "Scale",
        "metadata": {"uid": "D"},
        "spec": {"replicas": new},
        "status": {"replicas": old},
    }
    body = {"spec": {"replicas": new}}
    log.call(time, user, "patch", "deployments/scale", name="web", answer=answer, body=body)


def test_a_scale_is_proven_by_the_replicas_that_its_controller_knew() -> None:
    log = started()
    scaled(log, 90, "carol", 3, 2)
    log.replicaset(90.01, "web-1", 3, verb="update", old=2, generation=2)
    log.pod(90.02, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.confidence) == ("carol", ChainConfidence.EXACT)


def test_a_replica_set_that_was_made_after_a_scale_is_of_a_write_that_is_missing() -> None:
    """Bob's scale and the new template both store five replicas; only the scale is there."""
    log = started()
    scaled(log, 90, "bob", 5, 2)
    log.replicaset(90.3, "web-2", 1, template="web:2", desired=5)
    log.pod(90.31, "web-2-aaaaa", "web-2")
    log.replicaset(90.5, "web-2", 2, "update", old=1, generation=2, template="web:2", desired=5)
    log.pod(90.51, "web-2-bbbbb", "web-2")
    assert log.answers().keys() == {"web-1-aaaaa", "web-1-bbbbb"}


def test_an_empty_replica_set_does_not_grow_by_a_scale() -> None:
    """Carol's rollback after bob's scale is missing."""
    log = started()
    rolling(log)
    log.replicaset(61, "web-1", 0, "update", old=2, generation=2, desired=4)
    scaled(log, 90, "bob", 5, 4)
    log.replicaset(90.3, "web-1", 1, "update", old=0, generation=3, desired=5)
    log.pod(90.31, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_no_write_stands_in_for_one_that_asked_for_another_number() -> None:
    log = started()
    log.lines.pop()  # The second pod's creation is missing, so that alice's write has one left.
    log.replicaset(90, "web-1", 3, "update", old=2, generation=2)
    log.pod(90.02, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_write_that_its_replica_set_did_not_answer_caused_no_pod_that_comes_later() -> None:
    """Bob asked for the number that there was. Kubelet ended a pod a minute later."""
    log = started()
    body = {"spec": {"replicas": 2}}
    log.call(90, "bob", "patch", "deployments", name="web", level="Request", body=body)
    del log.lines[-1]["responseObject"]
    log.pod(150, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_number_that_is_written_while_pods_are_exchanged_does_not_hide_the_rollout() -> None:
    """Carol asks for three while there are three, two of which go: bob's rollout goes on."""
    log = started()
    log.deployment(60, "bob", 2, verb="patch", body=TEMPLATE, old=2, template="web:2")
    log.replicaset(60.01, "web-2", 1, template="web:2", desired=2)
    log.pod(60.02, "web-2-aaaaa", "web-2")
    scaled(log, 100, "carol", 3, 3)
    log.replicaset(100.01, "web-2", 2, "update", old=1, generation=2, template="web:2", desired=3)
    log.pod(100.02, "web-2-bbbbb", "web-2")
    assert log.answers()["web-2-bbbbb"].actor == "bob"


def test_a_pod_with_a_forged_owner_takes_nothing_of_what_its_owner_was_asked_for() -> None:
    log = started()
    log.pod(0.025, "web-1-zzzzz", "web-1", by="mallory")
    log.lines[-2:] = reversed(log.lines[-2:])
    found = {name: (one.actor, one.confidence) for name, one in log.answers().items()}
    assert found == {
        "web-1-aaaaa": ("alice", ChainConfidence.EXACT),
        "web-1-bbbbb": ("alice", ChainConfidence.EXACT),
        "web-1-zzzzz": ("mallory", ChainConfidence.EXACT),
    }


def test_the_pods_that_a_quota_held_back_are_their_writers() -> None:
    log = started()
    log.lines.pop()
    refused = {"kind": "Status", "status": "Failure", "code": 403}
    log.call(0.03, CONTROLLER.format("replicaset"), "create", "pods", code=403, answer=refused)
    log.pod(300, "web-1-bbbbb", "web-1")
    assert log.answers()["web-1-bbbbb"].actor == "alice"


def test_the_writes_of_a_busy_workload_are_walked_once_for_a_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Carol scales up and dan down, again and again: each of her writes may have led to a pod."""
    log, rounds = started(), 30
    for number in range(rounds):
        time = 90 + 10 * number
        scaled(log, time, f"carol-{number}", 3, 2)
        log.replicaset(time + 0.01, "web-1", 3, "update", old=2, generation=2 * number + 2)
        log.pod(time + 0.02, f"web-1-{number:05d}", "web-1")
        scaled(log, time + 5, "dan", 2, 3)
        log.replicaset(time + 5.01, "web-1", 2, "update", old=3, generation=2 * number + 3)
    walks = Mock(wraps=chain_proof._grown)
    monkeypatch.setattr(chain_proof, "_grown", walks)
    answers_ = log.answers()
    for number in range(rounds):
        answer = answers_[f"web-1-{number:05d}"]
        assert (answer.actor, answer.confidence) == (f"carol-{number}", ChainConfidence.EXACT)
    assert walks.call_count <= rounds + 2


def test_a_scale_to_another_number_is_missing() -> None:
    log = started()
    scaled(log, 90, "carol", 3, 2)
    log.replicaset(90.01, "web-1", 3, verb="update", old=2, generation=2)
    log.pod(90.02, "web-1-ccccc", "web-1")
    log.replicaset(92, "web-1", 4, verb="update", old=3, generation=3)
    log.pod(92.01, "web-1-ddddd", "web-1")
    answers_ = log.answers()
    assert answers_["web-1-ccccc"].confidence is ChainConfidence.EXACT
    assert "web-1-ddddd" not in answers_


def rolling(log: Log) -> None:
    """Bob's new template: its ReplicaSet gets the first of four pods."""
    log.deployment(60, "bob", 4, verb="patch", body=TEMPLATE, old=4, template="web:2")
    log.replicaset(60.01, "web-2", 1, template="web:2", desired=4)
    log.pod(60.02, "web-2-aaaaa", "web-2")


def grown(log: Log, time: float, replicas: int, generation: int) -> None:
    log.replicaset(
        time,
        "web-2",
        replicas,
        "update",
        old=replicas - 1,
        generation=generation,
        template="web:2",
        desired=4,
    )


def test_each_step_of_a_rolling_update_is_proven() -> None:
    log = started()
    rolling(log)
    grown(log, 90, 2, 2)
    log.pod(90.02, "web-2-bbbbb", "web-2")
    answer = log.answers()["web-2-bbbbb"]
    assert (answer.actor, answer.confidence) == ("bob", ChainConfidence.EXACT)


def test_a_version_of_the_replica_set_that_is_missing_leaves_nothing_proven() -> None:
    """Carol rolled back and dan forward again; only what came of dan's write is there."""
    log = started()
    rolling(log)
    grown(log, 90, 2, 3)
    log.pod(90.02, "web-2-bbbbb", "web-2")
    assert confidence(log, "web-2-bbbbb") is ChainConfidence.INFERRED


def test_a_replica_set_that_shrank_in_between_leaves_nothing_proven() -> None:
    log = started()
    rolling(log)
    log.replicaset(80, "web-2", 0, "update", old=1, generation=2, template="web:2", desired=4)
    grown(log, 90, 1, 3)
    log.pod(90.02, "web-2-bbbbb", "web-2")
    assert confidence(log, "web-2-bbbbb") is ChainConfidence.INFERRED


def test_a_controller_that_acts_late_acts_on_a_write_that_is_missing() -> None:
    log = started()
    scaled(log, 90, "carol", 3, 2)
    log.replicaset(150, "web-1", 3, verb="update", old=2, generation=2)
    log.pod(150.02, "web-1-ccccc", "web-1")
    assert confidence(log, "web-1-ccccc") is ChainConfidence.INFERRED


def test_a_pod_that_ended_right_before_leaves_nothing_proven() -> None:
    log = started()
    log.call(89, "bob", "delete", "pods", name="web-1-aaaaa")
    scaled(log, 90, "carol", 3, 2)
    log.replicaset(90.01, "web-1", 3, verb="update", old=2, generation=2)
    log.pod(90.02, "web-1-ccccc", "web-1")
    assert confidence(log, "web-1-ccccc") is ChainConfidence.AMBIGUOUS


def test_two_writes_that_stored_the_same_prove_neither() -> None:
    log = Log()
    log.deployment(0, "alice", 1)
    log.deployment(0.005, "bob", 1, verb="patch", body=TEMPLATE)
    log.replicaset(0.01, "web-1", 1)
    log.pod(0.02, "web-1-aaaaa", "web-1")
    assert confidence(log, "web-1-aaaaa") is ChainConfidence.INFERRED


def test_a_secret_of_a_template_is_not_kept() -> None:
    log = Log()
    log.deployment(0, "alice", 1, template="web:1 --password=hunter2")
    (record,) = records(json.dumps(log.lines[0]).encode())
    assert record.write is not None
    assert record.write.template is not None
    written: Any = repr(record.write)
    assert "hunter2" not in written

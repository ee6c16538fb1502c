"""The requester of a pod, from recorded logs and from made-up ones."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

from sensor.correlate.chain import CausalChain
from sensor.correlate.chain_index import Pod
from sensor.model.control_plane import ActorKind, ChainConfidence, Effect, RequestedBy
from tests.correlate.audit_log import (
    CLUSTER,
    SCENARIO,
    TEMPLATE,
    Log,
    explained,
    lines,
    records,
    started,
)


@lru_cache
def scenario() -> dict[str, RequestedBy]:
    return explained(records((SCENARIO / "audit.log").read_bytes()))[1]


@pytest.mark.parametrize(
    "wanted",
    lines(SCENARIO / "chains.jsonl"),
    ids=lambda one: f"{one['pod']['namespace']}/{one['pod']['name']}",
)
def test_a_pod_of_the_recorded_scenario_gets_its_requester(wanted: dict[str, Any]) -> None:
    answer = scenario()[wanted["pod"]["uid"]]
    assert (answer.actor, answer.impersonated, answer.effect, answer.confidence) == (
        wanted["requested_by"],
        wanted["impersonated"],
        wanted["effect"],
        wanted["confidence"],
    )
    assert answer.request_id == wanted["request"]["auditID"]
    assert answer.chain[-1].request_id == answer.request_id


@lru_cache
def cluster() -> CausalChain:
    return explained(records((CLUSTER / "audit.jsonl").read_bytes()))[0]


@pytest.mark.parametrize(
    "wanted",
    lines(CLUSTER / "truth.jsonl"),
    ids=lambda one: f"{one['scenario']}:{one.get('pod')}/{one.get('container')}",
)
def test_a_container_of_the_real_cluster_gets_its_requester(wanted: dict[str, Any]) -> None:
    pod = None
    if wanted.get("pod") is not None:
        pod = cluster().pod(wanted["namespace"], wanted["pod"], wanted["uid"])
    answer = (
        None
        if pod is None
        else cluster().requester(pod, wanted["container"], wanted.get("restartCount") or 0)
    )
    asked = wanted["asked"]
    if wanted.get("restartCount") or wanted.get("inApi") is False:
        assert answer is None  # kubelet's own restart, or no request at all
    elif asked["user"] is None:
        assert answer is not None
        assert (answer.actor, answer.effect) == (None, Effect.STATIC_POD)
    else:
        assert answer is not None
        doer, acted = asked["impersonated_by"] or asked["user"], asked["user"]
        assert answer.actor == doer
        assert answer.impersonated == (acted if asked["impersonated_by"] else None)
        assert answer.request_id == asked["auditID"]


def reduced(line: bytes, level: str, *, alone: bool) -> bytes:
    """Return a record at another level of the audit policy.

    ``alone``: by a controller manager without accounts of its controllers.
    """
    event = json.loads(line)
    user = event["user"]["username"]
    if alone and user.startswith("system:serviceaccount:kube-system:"):
        event["user"]["username"] = "system:kube-controller-manager"
    if level != "RequestResponse":
        event.pop("responseObject", None)
        event["level"] = level
    if level == "Metadata":
        event.pop("requestObject", None)
    return json.dumps(event).encode()


def truth() -> dict[str, str]:
    """Return who asked for each pod of both logs, by uid; restarts and static pods left out."""
    reported = {one["pod"]["uid"]: one["requested_by"] for one in lines(SCENARIO / "chains.jsonl")}
    for one in lines(CLUSTER / "truth.jsonl"):
        asked = one["asked"]
        outside = one.get("restartCount") or one.get("inApi") is False or not one.get("pod")
        if not outside and one.get("containerType") != "ephemeral" and asked["user"] is not None:
            reported[one["uid"]] = asked.get("impersonated_by") or asked["user"]
    return reported


@pytest.mark.parametrize("alone", [False, True], ids=["accounts", "one account"])
@pytest.mark.parametrize("level", ["RequestResponse", "Request", "Metadata"])
def test_a_log_that_says_less_names_no_wrong_requester(level: str, *, alone: bool) -> None:
    for path, least in ((SCENARIO / "audit.log", 34), (CLUSTER / "audit.jsonl", 90)):
        data = path.read_bytes().splitlines()
        said = b"\n".join(reduced(line, level, alone=alone) for line in data)
        answers = explained(sorted(records(said), key=lambda one: one.request.requested or 0))[1]
        wanted = truth()
        sure = {uid: one for uid, one in answers.items() if one.actor is not None and uid in wanted}
        assert {uid: one.actor for uid, one in sure.items()} == {uid: wanted[uid] for uid in sure}
        assert len(sure) >= least


def test_a_pod_in_place_of_a_deleted_one_is_asked_for_by_who_deleted_it() -> None:
    log = started()
    log.call(50, "bob", "delete", "pods", name="web-1-aaaaa")
    log.pod(50.1, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.effect) == ("bob", Effect.REPLACEMENT)


def test_a_pod_in_place_of_one_that_kubelet_ended_has_no_requester() -> None:
    """Under memory pressure kubelet ends pods: no request exists, the last write caused nothing."""
    log = started()
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_the_deletion_of_another_workloads_pod_is_not_a_cause() -> None:
    log = started()
    log.call(50, "bob", "delete", "pods", name="db-0")
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_rollback_is_asked_for_by_who_rolled_back() -> None:
    log = started()
    log.deployment(60, "bob", 2, verb="patch", body=TEMPLATE, old=2)
    log.replicaset(60.01, "web-2", 2)
    log.pod(60.02, "web-2-aaaaa", "web-2")
    log.pod(60.03, "web-2-bbbbb", "web-2")
    log.deployment(120, "carol", 2, verb="patch", body=TEMPLATE, old=2)
    log.replicaset(120.01, "web-1", 2, verb="update")
    log.pod(120.02, "web-1-ccccc", "web-1")
    reported = log.answers()
    assert (reported["web-2-aaaaa"].actor, reported["web-2-aaaaa"].effect) == (
        "bob",
        Effect.ROLLOUT,
    )
    assert reported["web-1-ccccc"].actor == "carol"


def test_a_horizontal_autoscaler_is_the_requester_of_what_it_scales() -> None:
    log = started()
    scale = {
        "kind": "Scale",
        "metadata": {"uid": "D"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2},
    }
    user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    log.call(
        90,
        user,
        "update",
        "deployments/scale",
        name="web",
        answer=scale,
        body={"spec": {"replicas": 3}},
    )
    log.replicaset(90.01, "web-1", 3, verb="update")
    log.pod(90.02, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.kind, answer.effect) == (
        user,
        ActorKind.CONTROL_PLANE,
        Effect.SCALE_UP,
    )


def test_two_writes_that_fit_are_ambiguous_and_name_both() -> None:
    log = started()
    scale = {
        "kind": "Scale",
        "metadata": {"uid": "D"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2},
    }
    log.call(50, "bob", "delete", "pods", name="web-1-aaaaa")
    log.call(
        51,
        "carol",
        "patch",
        "deployments/scale",
        name="web",
        answer=scale,
        body={"spec": {"replicas": 3}},
    )
    log.pod(51.1, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert answer.confidence is ChainConfidence.AMBIGUOUS
    assert answer.actor is None
    assert set(answer.candidates) == {"bob", "carol"}


def test_two_writes_of_one_client_are_not_ambiguous() -> None:
    """A new token may have other groups, and come from another pod of a service account."""
    log = Log()
    log.deployment(0, "alice", 1)
    log.deployment(0.005, "alice", 1, verb="patch", body=TEMPLATE)
    log.lines[-1]["user"]["groups"] = ["oncall"]
    log.replicaset(0.01, "web-1", 1)
    log.pod(0.02, "web-1-aaaaa", "web-1")
    assert log.answers()["web-1-aaaaa"].actor == "alice"


def test_a_write_before_a_pod_is_its_cause_rather_than_one_after_it() -> None:
    """Both are near, so that no answer is exact; the deletion accounts for one pod, once."""
    log = started()
    scale = {
        "kind": "Scale",
        "metadata": {"uid": "D"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2},
    }
    log.call(50, "bob", "delete", "pods", name="web-1-aaaaa")
    log.pod(50.01, "web-1-ccccc", "web-1")
    log.call(50.3, "carol", "patch", "deployments/scale", name="web", answer=scale)
    log.replicaset(50.31, "web-1", 3, verb="update", old=2, generation=2)
    log.pod(50.32, "web-1-ddddd", "web-1")
    reported = log.answers()
    assert reported["web-1-ccccc"].actor in {"bob", None}
    assert reported["web-1-ddddd"].actor in {"carol", None}


def test_a_refused_write_causes_nothing() -> None:
    log = started()
    scale = {"kind": "Status", "status": "Failure", "code": 403}
    log.call(
        90,
        "mallory",
        "patch",
        "deployments/scale",
        name="web",
        code=403,
        answer=scale,
        body={"spec": {"replicas": 9}},
    )
    log.pod(90.02, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_the_deletion_of_a_node_is_the_cause_of_what_is_made_elsewhere() -> None:
    log = started()
    log.call(50, "root@ops", "delete", "nodes", name="node-1")
    gc = "system:serviceaccount:kube-system:pod-garbage-collector"
    log.call(58, gc, "delete", "pods", name="web-1-aaaaa")
    log.pod(58.1, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.effect) == ("root@ops", Effect.REPLACEMENT)


def test_records_of_several_servers_may_come_out_of_order() -> None:
    log = started()
    straight = log.answers()
    log.lines.reverse()
    assert {uid: answer.actor for uid, answer in log.answers().items()} == {
        uid: answer.actor for uid, answer in straight.items()
    }


def test_the_tables_of_the_chain_are_bounded() -> None:
    chain = CausalChain(limit=10)
    log = Log()
    for number in range(50):
        log.pod(number, f"web-1-{number:05d}", "web-1")
    for record in records(b"\n".join(json.dumps(line).encode() for line in log.lines)):
        assert isinstance(chain.add(record), Pod)
    assert chain.forgotten() == 40

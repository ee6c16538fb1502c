"""Made-up logs: jobs, daemon sets, stateful sets and their rollouts."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from sensor.correlate import chain
from sensor.correlate.chain_ends import NODES_LIMIT
from sensor.model.control_plane import ActorKind, ChainConfidence, Effect
from tests.correlate.audit_log import CONTROLLER, TEMPLATE, Log, owner, started


def test_an_object_of_the_same_name_made_again_is_another_one() -> None:
    log = started()
    log.call(100, "alice", "delete", "deployments", name="web")
    answer = {
        "kind": "Deployment",
        "metadata": {"name": "web", "uid": "D2"},
        "spec": {"replicas": 1},
    }
    log.call(200, "bob", "create", "deployments", name="web", answer=answer)
    rs = {
        "kind": "ReplicaSet",
        "metadata": {
            "name": "web-1",
            "uid": "R2",
            "ownerReferences": [owner("Deployment", "web", "D2")],
        },
        "spec": {"replicas": 1},
    }
    log.call(
        200.01, CONTROLLER.format("deployment"), "create", "replicasets", name="web-1", answer=rs
    )
    log.pod(200.02, "web-1-zzzzz", "web-1")
    log.lines[-1]["responseObject"]["metadata"]["ownerReferences"][0]["uid"] = "R2"
    assert log.answers()["web-1-zzzzz"].actor == "bob"


@pytest.mark.parametrize(
    "tried",
    [
        {"target": "pods", "verb": "delete", "body": {"kind": "DeleteOptions", "dryRun": ["All"]}},
        {
            "target": "pods/eviction",
            "verb": "create",
            "body": {"kind": "Eviction", "deleteOptions": {"dryRun": ["All"]}},
        },
    ],
    ids=["delete", "drain"],
)
def test_what_was_only_tried_causes_nothing(tried: dict[str, Any]) -> None:
    log = started()
    log.call(50, "bob", tried["verb"], tried["target"], name="web-1-aaaaa", body=tried["body"])
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_suspended_job_was_started_by_who_resumed_it() -> None:
    log = Log()
    log.job(0, "alice", "report", suspend=True)
    kueue = "system:serviceaccount:kueue-system:kueue"
    log.call(60, kueue, "patch", "jobs", name="report", body={"spec": {"suspend": False}})
    log.job_pod(60.1, "report-aaaaa", "report")
    answer = log.answers()["report-aaaaa"]
    assert (answer.actor, answer.kind) == (kueue, ActorKind.SERVICE_ACCOUNT)


def test_a_pod_of_a_job_in_place_of_a_deleted_one_is_asked_for_by_who_deleted_it() -> None:
    log = Log()
    log.job(0, "alice", "report")
    log.job_pod(0.1, "report-aaaaa", "report")
    log.call(30, "bob", "delete", "pods", name="report-aaaaa")
    log.job_pod(30.1, "report-bbbbb", "report")
    reported = log.answers()
    assert (reported["report-aaaaa"].actor, reported["report-aaaaa"].effect) == (
        "alice",
        Effect.START,
    )
    assert (reported["report-bbbbb"].actor, reported["report-bbbbb"].effect) == (
        "bob",
        Effect.REPLACEMENT,
    )


def daemons() -> Log:
    """Alice's DaemonSet on one node."""
    log = Log()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(0, "alice", "create", "daemonsets", name="agent", answer=answer)
    daemon(log, 0.1, "agent-aaaaa", "node-1")
    return log


def daemon(log: Log, time: float, name: str, node: str) -> None:
    log.pod(
        time, name, "agent", "DaemonSet", "system:serviceaccount:kube-system:daemon-set-controller"
    )
    log.bound(time + 0.02, name, node)


def test_a_daemon_on_a_node_that_joined_later_was_not_asked_for_by_who_made_the_daemon_set() -> (
    None
):
    log = daemons()
    log.call(90, "system:node:node-2", "create", "nodes", name="node-2")
    daemon(log, 90.2, "agent-bbbbb", "node-2")
    reported = log.answers()
    assert reported["agent-aaaaa"].actor == "alice"
    assert "agent-bbbbb" not in reported


def rolled_out() -> Log:
    """Alice's DaemonSet on three nodes, whose template bob changed after 100 s."""
    log = Log()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(0, "alice", "create", "daemonsets", name="agent", answer=answer)
    for number in range(3):
        revised(log, 0.1 + number / 100, f"agent-{number}", "r1", f"node-{number}")
    log.call(100, "bob", "patch", "daemonsets", name="agent", answer=answer, body=TEMPLATE)
    for number in range(3):
        revised(log, 101 + 900 * number, f"agent-{number + 3}", "r2", f"node-{number}")
    return log


def revised(log: Log, time: float, name: str, revision: str, node: str) -> None:
    user = "system:serviceaccount:kube-system:daemon-set-controller"
    log.pod(time, name, "agent", "DaemonSet", user, revision=revision, node=node)


def test_a_rollout_may_take_longer_than_ten_minutes() -> None:
    reported = rolled_out().answers()
    assert {name: reported[name].actor for name in sorted(reported)} == {
        "agent-0": "alice",
        "agent-1": "alice",
        "agent-2": "alice",
        "agent-3": "bob",
        "agent-4": "bob",
        "agent-5": "bob",
    }


def test_a_daemon_of_the_same_revision_that_comes_later_was_not_rolled_out() -> None:
    """Its node ended the one before it; no request exists."""
    log = rolled_out()
    revised(log, 2500, "agent-6", "r2", "node-0")
    assert "agent-6" not in log.answers()


def test_a_daemon_in_place_of_one_that_its_node_ended_has_no_requester() -> None:
    """Its controller deletes the failed one, soon after alice's write: no request exists."""
    log = Log()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(0, "alice", "create", "daemonsets", name="agent", answer=answer)
    revised(log, 0.1, "agent-0", "r1", "node-0")
    log.call(60, CONTROLLER.format("daemon-set"), "delete", "pods", name="agent-0")
    revised(log, 60.1, "agent-1", "r1", "node-0")
    assert log.answers().keys() == {"agent-0"}


def test_a_rollout_whose_write_is_missing_is_not_the_creators() -> None:
    log = Log()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(0, "alice", "create", "daemonsets", name="agent", answer=answer)
    revised(log, 0.1, "agent-0", "r1", "node-0")
    revised(log, 60.1, "agent-1", "r2", "node-0")
    assert log.answers().keys() == {"agent-0"}


def test_who_rolled_a_daemon_set_back_caused_its_pods() -> None:
    log = rolled_out()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(2500, "carol", "patch", "daemonsets", name="agent", answer=answer, body=TEMPLATE)
    for number in range(3):
        revised(log, 2501 + 10 * number, f"agent-{number + 6}", "r1", f"node-{number}")
    answers = log.answers()
    assert {answers[f"agent-{number}"].actor for number in (6, 7, 8)} == {"carol"}


@pytest.mark.parametrize(
    ("change", "who"),
    [({"metadata": {"labels": {"gpu": "yes"}}}, "bob"), ({"spec": {"taints": None}}, "bob")],
    ids=["label", "taint"],
)
def test_who_makes_a_node_fit_for_a_daemon_set_caused_its_pod(
    change: dict[str, Any], who: str
) -> None:
    log = daemons()
    log.call(90, who, "patch", "nodes", name="node-2", body=change)
    daemon(log, 90.1, "agent-bbbbb", "node-2")
    answer = log.answers()["agent-bbbbb"]
    assert (answer.actor, answer.effect, answer.confidence) == (
        who,
        Effect.START,
        ChainConfidence.INFERRED,
    )


def test_many_changes_of_nodes_push_no_lost_node_out() -> None:
    log = started()
    log.call(50, "root@ops", "delete", "nodes", name="node-1")
    for number in range(NODES_LIMIT + 1):
        log.call(51, "cni", "patch", "nodes", name=f"node-{number}", body={"spec": {"taints": []}})
        log.lines[-1]["auditID"] = str(number)
    gc = CONTROLLER.format("pod-garbage-collector").removesuffix("-controller")
    log.call(58, gc, "delete", "pods", name="web-1-aaaaa")
    log.pod(58.1, "web-1-ccccc", "web-1")
    assert log.answers()["web-1-ccccc"].actor == "root@ops"


def test_a_change_of_a_node_by_the_control_plane_has_no_requester() -> None:
    log = daemons()
    body: dict[str, Any] = {"spec": {"taints": []}}
    log.call(90, CONTROLLER.format("node"), "patch", "nodes", name="node-2", body=body)
    daemon(log, 90.1, "agent-bbbbb", "node-2")
    assert "agent-bbbbb" not in log.answers()


def test_a_daemon_whose_node_the_records_hide_came_for_the_node_that_joined() -> None:
    log = daemons()
    log.call(90, "system:node:node-2", "create", "nodes", name="node-2")
    daemon(log, 90.2, "agent-bbbbb", "node-2")
    for line in log.lines:
        if line["objectRef"].get("subresource") == "binding":
            del line["requestObject"]
    assert "agent-bbbbb" not in log.answers()


def stateful() -> Log:
    """Alice's StatefulSet of two pods."""
    log = Log()
    answer = {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "uid": "db", "generation": 1},
        "spec": {"replicas": 2},
    }
    log.call(0, "alice", "create", "statefulsets", name="db", answer=answer)
    for number in range(2):
        member(log, 0.1 + 30 * number, number, f"old-{number}")
    return log


def member(log: Log, time: float, number: int, uid: str) -> None:
    user = CONTROLLER.format("statefulset")
    log.pod(time, f"db-{number}", "db", "StatefulSet", user, revision="r1")
    log.lines[-1]["responseObject"]["metadata"]["uid"] = uid


def resized(log: Log, time: float, user: str, new: int, old: int) -> None:
    answer = {
        "kind": "Scale",
        "metadata": {"name": "db", "uid": "db"},
        "spec": {"replicas": new},
        "status": {"replicas": old},
    }
    log.call(time, user, "patch", "statefulsets/scale", name="db", answer=answer)


def test_a_stateful_pod_in_place_of_one_that_its_node_ended_has_no_requester() -> None:
    log = stateful()
    log.call(60, CONTROLLER.format("statefulset"), "delete", "pods", name="db-0")
    member(log, 60.1, 0, "new-0")
    assert log.answers().keys() == {"old-0", "old-1"}


def test_a_stateful_pod_that_comes_back_with_a_scale_is_its_authors() -> None:
    log = stateful()
    resized(log, 100, "bob", 1, 2)
    resized(log, 200, "carol", 2, 1)
    member(log, 200.1, 1, "new-1")
    assert log.answers()["new-1"].actor == "carol"


def test_a_later_write_is_not_the_cause_of_an_earlier_revision() -> None:
    """While bob's rollout goes on, carol changes the template again."""
    log = rolled_out()
    answer = {"kind": "DaemonSet", "metadata": {"name": "agent", "uid": "agent"}, "spec": {}}
    log.call(1900, "carol", "patch", "daemonsets", name="agent", answer=answer, body=TEMPLATE)
    assert log.answers()["agent-5"].actor == "bob"


def test_a_stateful_sets_rollout_is_followed_by_its_pods_names() -> None:
    log = Log()
    answer = {
        "kind": "StatefulSet",
        "metadata": {"name": "db", "uid": "db", "generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "replicas": 2},
    }
    user = CONTROLLER.format("statefulset")
    log.call(0, "alice", "create", "statefulsets", name="db", answer=answer)
    for number in range(2):
        log.pod(0.1 + 30 * number, f"db-{number}", "db", "StatefulSet", user, revision="r1")
    log.call(100, "bob", "patch", "statefulsets", name="db", answer=answer, body=TEMPLATE)
    for number, time in ((1, 130), (0, 2000)):
        log.pod(time, f"db-{number}", "db", "StatefulSet", user, revision="r2")
        log.lines[-1]["responseObject"]["metadata"]["uid"] = f"new-{number}"
    reported = log.answers()
    assert (reported["db-0"].actor, reported["db-1"].actor) == ("alice", "alice")
    assert (reported["new-1"].actor, reported["new-0"].actor) == ("bob", "bob")
    assert reported["new-0"].confidence is ChainConfidence.INFERRED


def test_who_lowers_a_partition_caused_the_pods_that_follow() -> None:
    """Alice tries a template with one pod, and bob lets the others have it minutes later."""
    log = Log()
    user = CONTROLLER.format("statefulset")

    def patched(time: float, actor: str, body: dict[str, Any], partition: int) -> None:
        update = {"rollingUpdate": {"partition": partition}}
        answer = {
            "kind": "StatefulSet",
            "metadata": {"name": "db", "uid": "db", "generation": int(time) + 2},
            "spec": {"replicas": 3, "updateStrategy": update},
            "status": {
                "observedGeneration": 1,
                "replicas": 3,
                "currentRevision": "r1",
                "updateRevision": "r2",
            },
        }
        verb = "patch" if time else "create"
        log.call(time, actor, verb, "statefulsets", name="db", answer=answer, body=body)

    def made(time: float, number: int, revision: str, uid: str) -> None:
        log.pod(time, f"db-{number}", "db", "StatefulSet", user, revision=revision)
        log.lines[-1]["responseObject"]["metadata"]["uid"] = uid

    patched(0, "alice", {}, 2)
    for number in range(3):
        made(0.1 + 30 * number, number, "r1", f"old-{number}")
    patched(100, "alice", TEMPLATE, 2)
    made(130, 2, "r2", "new-2")
    patched(500, "bob", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}, 0)
    made(520, 1, "r2", "new-1")
    made(1300, 0, "r2", "new-0")
    answers = log.answers()
    assert [answers[f"new-{number}"].actor for number in (2, 1, 0)] == ["alice", "bob", "bob"]


def test_of_many_rollouts_the_latest_that_fits_is_looked_for_from_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, rounds = Log(), 40
    log.deployment(0, "alice", 1)
    for number in range(rounds):
        time, name = 10 + 8 * number, f"web-{number + 2}"
        image = f"web:{number + 2}"
        body = TEMPLATE
        log.deployment(time, f"bob-{number}", 2, verb="patch", body=body, old=2, template=image)
        log.replicaset(time + 0.01, name, 2, template=image)
        log.pod(time + 3, f"{name}-aaaaa", name)
    looks = Mock(wraps=chain._reaches)
    monkeypatch.setattr(chain, "_reaches", looks)
    answers = log.answers()
    for number in range(rounds):
        assert answers[f"web-{number + 2}-aaaaa"].actor == f"bob-{number}"
    assert looks.call_count < 3 * rounds

"""Made-up logs: taints of nodes, a controller manager with one account, and several clusters."""

from __future__ import annotations

import json

import pytest

from sensor.correlate.chain import CausalChain
from sensor.model.control_plane import Effect, RequestedBy
from tests.correlate.audit_log import Log, records, started


def test_who_taints_a_node_caused_the_pods_in_place_of_those_on_it() -> None:
    log = started()
    log.bound(0.04, "web-1-aaaaa", "node-1")
    taint = {"spec": {"taints": [{"key": "maintenance", "effect": "NoExecute"}]}}
    log.call(50, "bob", "patch", "nodes", name="node-1", body=taint)
    evicts = "system:serviceaccount:kube-system:taint-eviction-controller"
    log.call(50.2, evicts, "delete", "pods", name="web-1-aaaaa")
    log.pod(50.3, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.effect) == ("bob", Effect.REPLACEMENT)


def test_a_taint_that_only_keeps_pods_away_causes_nothing() -> None:
    log = started()
    taint = {"spec": {"taints": [{"key": "maintenance", "effect": "NoSchedule"}]}}
    log.call(50, "bob", "patch", "nodes", name="node-1", body=taint)
    log.pod(50.3, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def alone(log: Log, level: str) -> dict[str, RequestedBy]:
    """Return the answers for a controller manager without accounts of its controllers."""
    for line in log.lines:
        if line["user"]["username"].endswith("-controller"):
            line["user"]["username"] = "system:kube-controller-manager"
        if level == "Metadata":
            line["level"] = level
            line.pop("requestObject")
            line.pop("responseObject")
    return log.answers()


@pytest.mark.parametrize("level", ["RequestResponse", "Metadata"])
def test_a_controller_manager_with_one_account_is_followed(level: str) -> None:
    log = started()
    log.bound(0.04, "web-1-aaaaa", "node-1")
    answer = alone(log, level)["web-1-aaaaa"]
    assert (answer.actor, answer.effect) == ("alice", Effect.START)


def test_the_same_names_in_another_cluster_are_others() -> None:
    """Bob's cluster has the same Deployment; neither log names uids."""
    chain, reported = CausalChain(), {}
    for cluster, user in (("one", "alice"), ("two", "bob")):
        log = started()
        log.lines[0]["user"]["username"] = user
        log.bound(0.04, "web-1-aaaaa", "node-1")
        for line in log.lines:
            line["level"] = "Metadata"
            line.pop("requestObject")
            line.pop("responseObject")
            line["objectRef"].pop("uid", None) if line["verb"] != "create" else None
        message = "\n".join(json.dumps(line) for line in log.lines)
        envelope = {
            "messageType": "DATA_MESSAGE",
            "logGroup": f"/aws/eks/{cluster}/cluster",
            "owner": "1",
            "logEvents": [{"message": one} for one in message.splitlines()],
        }
        for record in records(json.dumps(envelope).encode()):
            pod = chain.add(record)
            if pod is not None:
                reported[cluster] = chain.requester(pod)
    assert {cluster: answer and answer.actor for cluster, answer in reported.items()} == {
        "one": "alice",
        "two": "bob",
    }

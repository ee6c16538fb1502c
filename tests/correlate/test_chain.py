"""Each pod of two recorded clusters gets its true requester, and none a wrong one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from sensor.correlate.chain import CausalChain
from sensor.correlate.chain_index import Pod
from sensor.model.control_plane import (
    ActorKind,
    ChainConfidence,
    ControlRecord,
    Effect,
    RequestedBy,
)
from sensor.sources.controlplane.reader import Reader, read

CORPORA = Path(__file__).parents[1] / "corpora"
SCENARIO = CORPORA / "controlplane" / "kubernetes" / "scenario"
CLUSTER = CORPORA / "kubernetes"
CONTROLLER = "system:serviceaccount:kube-system:{}-controller"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(data: bytes) -> list[ControlRecord]:
    found = read([data], Reader("audit.log"))
    return [record for record in found if isinstance(record, ControlRecord)]


def explained(given: Iterable[ControlRecord]) -> tuple[CausalChain, dict[str, RequestedBy]]:
    """Return the chain, and the requester of each pod by uid, asked in the order of creation."""
    chain, pods = CausalChain(), []
    for record in given:
        pod = chain.add(record)
        if pod is not None:
            pods.append(pod)
    told: dict[str, RequestedBy] = {}
    for pod in sorted(pods, key=lambda one: one.time):
        answer = chain.requester(pod)
        if pod.uid is not None and answer is not None:
            told[pod.uid] = answer
    return chain, told


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


# ------------------------------------------------------------------------------ made-up logs


class Log:
    """An audit log that is written a call at a time; a call's answer is what it stored."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def call(self, time: float, user: str, verb: str, target: str, **parts: Any) -> None:  # noqa: ANN401
        resource, _, subresource = target.partition("/")
        name = parts.get("name")
        stamp = f"2026-03-02T10:{int(time) // 60:02d}:{time % 60:09.6f}Z"
        self.lines.append(
            {
                "kind": "Event",
                "apiVersion": "audit.k8s.io/v1",
                "level": "RequestResponse",
                "auditID": f"{verb}-{target}-{name}-{time}",
                "stage": "ResponseComplete",
                "requestURI": "/",
                "verb": verb,
                "user": {"username": user},
                "objectRef": {
                    "resource": resource,
                    "namespace": "shop",
                    "name": name,
                    **({"subresource": subresource} if subresource else {}),
                },
                "responseStatus": {"code": parts.get("code", 201 if verb == "create" else 200)},
                "requestObject": parts.get("body", {}),
                "responseObject": parts.get("answer", {}),
                "requestReceivedTimestamp": stamp,
                "stageTimestamp": stamp,
            }
        )

    def deployment(self, time: float, user: str, replicas: int, **parts: Any) -> None:  # noqa: ANN401
        answer = {
            "kind": "Deployment",
            "metadata": {"name": "web", "uid": "D", "generation": 2},
            "spec": {"replicas": replicas},
            "status": {"observedGeneration": 1, "replicas": parts.pop("old", 0)},
        }
        self.call(
            time,
            user,
            parts.pop("verb", "create"),
            "deployments",
            name="web",
            answer=answer,
            **parts,
        )

    def replicaset(self, time: float, name: str, replicas: int, verb: str = "create") -> None:
        answer = {
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "uid": name,
                "ownerReferences": [owner("Deployment", "web", "D")],
            },
            "spec": {"replicas": replicas},
            "status": {"replicas": 0},
        }
        user = CONTROLLER.format("deployment")
        self.call(time, user, verb, "replicasets", name=name, answer=answer, body=answer)

    def pod(self, time: float, name: str, of: str) -> None:
        answer = {
            "kind": "Pod",
            "metadata": {
                "name": name,
                "uid": name,
                "ownerReferences": [owner("ReplicaSet", of, of)],
            },
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }
        user = CONTROLLER.format("replicaset")
        self.call(time, user, "create", "pods", answer=answer)

    def told(self) -> dict[str, RequestedBy]:
        data = b"\n".join(json.dumps(line).encode() for line in self.lines)
        return explained(records(data))[1]


def owner(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}


def started() -> Log:
    """Alice's Deployment of two pods."""
    log = Log()
    log.deployment(0, "alice", 2)
    log.replicaset(0.01, "web-1", 2)
    log.pod(0.02, "web-1-aaaaa", "web-1")
    log.pod(0.03, "web-1-bbbbb", "web-1")
    return log


def test_a_pod_in_place_of_a_deleted_one_is_asked_for_by_who_deleted_it() -> None:
    log = started()
    log.call(50, "bob", "delete", "pods", name="web-1-aaaaa")
    log.pod(50.1, "web-1-ccccc", "web-1")
    answer = log.told()["web-1-ccccc"]
    assert (answer.actor, answer.effect) == ("bob", Effect.REPLACEMENT)


def test_a_pod_in_place_of_one_that_kubelet_ended_has_no_requester() -> None:
    """Under memory pressure kubelet ends pods: no request exists, the last write is no cause."""
    log = started()
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.told()


def test_the_deletion_of_another_workloads_pod_is_no_cause() -> None:
    log = started()
    log.call(50, "bob", "delete", "pods", name="db-0")
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.told()


def test_a_rollback_is_asked_for_by_who_rolled_back() -> None:
    log = started()
    log.deployment(60, "bob", 2, verb="patch", body=TEMPLATE, old=2)
    log.replicaset(60.01, "web-2", 2)
    log.pod(60.02, "web-2-aaaaa", "web-2")
    log.pod(60.03, "web-2-bbbbb", "web-2")
    log.deployment(120, "carol", 2, verb="patch", body=TEMPLATE, old=2)
    log.replicaset(120.01, "web-1", 2, verb="update")
    log.pod(120.02, "web-1-ccccc", "web-1")
    told = log.told()
    assert (told["web-2-aaaaa"].actor, told["web-2-aaaaa"].effect) == ("bob", Effect.ROLLOUT)
    assert told["web-1-ccccc"].actor == "carol"


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
    answer = log.told()["web-1-ccccc"]
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
    answer = log.told()["web-1-ccccc"]
    assert answer.confidence is ChainConfidence.AMBIGUOUS
    assert answer.actor is None
    assert set(answer.candidates) == {"bob", "carol"}


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
    assert "web-1-ccccc" not in log.told()


def test_the_deletion_of_a_node_is_the_cause_of_what_is_made_elsewhere() -> None:
    log = started()
    log.call(50, "root@ops", "delete", "nodes", name="node-1")
    gc = "system:serviceaccount:kube-system:pod-garbage-collector"
    log.call(58, gc, "delete", "pods", name="web-1-aaaaa")
    log.pod(58.1, "web-1-ccccc", "web-1")
    answer = log.told()["web-1-ccccc"]
    assert (answer.actor, answer.effect) == ("root@ops", Effect.REPLACEMENT)


def test_records_of_several_servers_may_come_out_of_order() -> None:
    log = started()
    straight = log.told()
    log.lines.reverse()
    assert {uid: answer.actor for uid, answer in log.told().items()} == {
        uid: answer.actor for uid, answer in straight.items()
    }


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
    assert log.told()["web-1-zzzzz"].actor == "bob"


def test_the_tables_of_the_chain_are_bounded() -> None:
    chain = CausalChain(limit=10)
    log = Log()
    for number in range(50):
        log.pod(number, f"web-1-{number:05d}", "web-1")
    for record in records(b"\n".join(json.dumps(line).encode() for line in log.lines)):
        assert isinstance(chain.add(record), Pod)
    assert chain.forgotten() == 40

"""Audit logs for the tests of the causal chain: recorded ones, and ones that are made up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sensor.correlate.chain import CausalChain
from sensor.model.control_plane import ControlRecord, RequestedBy
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
    answers: dict[str, RequestedBy] = {}
    for pod in sorted(pods, key=lambda one: one.time):
        answer = chain.requester(pod)
        if pod.uid is not None and answer is not None:
            answers[pod.uid] = answer
    return chain, answers


class Log:
    """An audit log that is written a call at a time; a call's answer is what it stored."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def call(self, time: float, user: str, verb: str, target: str, **parts: Any) -> None:
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
                "user": {"username": user, "extra": parts.get("extra", {})},
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

    def deployment(self, time: float, user: str, replicas: int, **parts: Any) -> None:
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

    def pod(
        self,
        time: float,
        name: str,
        of: str,
        kind: str = "ReplicaSet",
        by: str = CONTROLLER.format("replicaset"),
    ) -> None:
        answer = {
            "kind": "Pod",
            "metadata": {"name": name, "uid": name, "ownerReferences": [owner(kind, of, of)]},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }
        self.call(time, by, "create", "pods", answer=answer)

    def bound(self, time: float, name: str, node: str) -> None:
        body = {"metadata": {"name": name, "uid": name}, "target": {"kind": "Node", "name": node}}
        user = "system:kube-scheduler"
        self.call(time, user, "create", "pods/binding", name=name, body=body)
        self.lines[-1]["objectRef"]["uid"] = name

    def job(self, time: float, user: str, name: str, **spec: Any) -> None:
        answer = {"kind": "Job", "metadata": {"name": name, "uid": name}, "spec": spec}
        self.call(time, user, "create", "jobs", name=name, answer=answer, body=answer)

    def job_pod(self, time: float, name: str, of: str) -> None:
        self.pod(time, name, of, "Job", CONTROLLER.format("job"))

    def answers(self) -> dict[str, RequestedBy]:
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

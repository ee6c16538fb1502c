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
        self.versions = 0
        """How often the Deployment was written."""

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
        self.versions += 1
        verb = parts.pop("verb", "create")
        answer = {
            "kind": "Deployment",
            "metadata": {"name": "web", "uid": "D", "generation": self.versions},
            "spec": {
                "replicas": replicas,
                "template": pod_template(parts.pop("template", "web:1")),
            },
            "status": {
                "replicas": parts.pop("old", 0),
                **({} if verb == "create" else {"observedGeneration": self.versions - 1}),
            },
        }
        self.call(time, user, verb, "deployments", name="web", answer=answer, **parts)

    def replicaset(
        self,
        time: float,
        name: str,
        replicas: int,
        verb: str = "create",
        *,
        old: int = 0,
        generation: int = 1,
        template: str = "web:1",
        desired: int | None = None,
    ) -> None:
        """``desired`` are the replicas of the Deployment."""
        wanted = replicas if desired is None else desired
        answer = {
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "uid": name,
                "generation": generation,
                "annotations": {"deployment.kubernetes.io/desired-replicas": str(wanted)},
                "ownerReferences": [owner("Deployment", "web", "D")],
            },
            "spec": {"replicas": replicas, "template": pod_template(template, hashed=name)},
            "status": {"replicas": old},
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
        *,
        revision: str | None = None,
        node: str | None = None,
    ) -> None:
        """``node``: the one that a DaemonSet's pod is for."""
        held = [owner(kind, of, of)]
        metadata: dict[str, Any] = {"name": name, "uid": name, "ownerReferences": held}
        if revision is not None:
            metadata["labels"] = {"controller-revision-hash": revision}
        spec: dict[str, Any] = {"containers": [{"name": "web", "image": "web:1"}]}
        if node is not None:
            fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
            terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
            required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
            spec["affinity"] = {"nodeAffinity": required}
        answer = {"kind": "Pod", "metadata": metadata, "spec": spec}
        self.call(time, by, "create", "pods", answer=answer)

    def bound(self, time: float, name: str, node: str) -> None:
        body = {"metadata": {"name": name, "uid": name}, "target": {"kind": "Node", "name": node}}
        user = "system:kube-scheduler"
        self.call(time, user, "create", "pods/binding", name=name, body=body)
        self.lines[-1]["objectRef"]["uid"] = name

    def job(self, time: float, user: str, name: str, *, of: str | None = None, **spec: Any) -> None:
        """``of``: the CronJob with the uid C that it is from."""
        held = {} if of is None else {"ownerReferences": [owner("CronJob", of, "C")]}
        metadata = {"name": name, "uid": name, **held}
        answer = {"kind": "Job", "metadata": metadata, "spec": spec}
        self.call(time, user, "create", "jobs", name=name, answer=answer, body=answer)

    def job_pod(self, time: float, name: str, of: str) -> None:
        self.pod(time, name, of, "Job", CONTROLLER.format("job"))

    def records(self) -> list[ControlRecord]:
        return records(b"\n".join(json.dumps(line).encode() for line in self.lines))

    def answers(self) -> dict[str, RequestedBy]:
        return explained(self.records())[1]


def owner(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "uid": uid, "controller": True}


def pod_template(image: str, hashed: str | None = None) -> dict[str, Any]:
    """Return a template; a ReplicaSet's has the label of its hash, too."""
    labels = {"app": "web", **({} if hashed is None else {"pod-template-hash": hashed})}
    spec = {"containers": [{"name": "web", "image": image}]}
    return {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": spec}


TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}


def started() -> Log:
    """Alice's Deployment of two pods."""
    log = Log()
    log.deployment(0, "alice", 2)
    log.replicaset(0.01, "web-1", 2)
    log.pod(0.02, "web-1-aaaaa", "web-1")
    log.pod(0.03, "web-1-bbbbb", "web-1")
    return log

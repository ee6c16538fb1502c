"""The binding of a pod says which creation without a name was its own."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.correlate import chain_nameless
from sensor.model.control_plane import ChainConfidence, RequestedBy
from tests.correlate.audit_log import CONTROLLER, Log


class NamelessLog(Log):
    """A log at the levels Metadata or Request."""

    level = "Metadata"

    def call(self, time: float, user: str, verb: str, target: str, **parts: Any) -> None:
        super().call(time, user, verb, target, **parts)
        line = self.lines[-1]
        line["level"] = self.level
        del line["responseObject"]
        if self.level == "Metadata":
            del line["requestObject"]

    def workload(self, time: float, user: str, resource: str, name: str) -> None:
        self.call(time, user, "create", resource, name=name)

    def made(self, time: float, user: str, prefix: str | None = None) -> None:
        self.call(time, user, "create", "pods", body={"metadata": {"generateName": prefix}})


def deployed(log: NamelessLog) -> None:
    log.workload(0, "alice", "deployments", "web")
    log.workload(0.01, CONTROLLER.format("deployment"), "replicasets", "web-1")


REPLICASET, JOB = CONTROLLER.format("replicaset"), CONTROLLER.format("job")


def named(log: NamelessLog, pod: str) -> RequestedBy:
    return log.answers()[pod]


def test_a_pod_that_waits_for_a_node_does_not_shift_those_after_it() -> None:
    log = NamelessLog()
    deployed(log)
    log.workload(1, "carol", "deployments", "shop")
    log.workload(1.01, CONTROLLER.format("deployment"), "replicasets", "shop-1")
    log.made(1.02, REPLICASET)  # No node has room for it.
    log.call(30, "bob", "patch", "deployments/scale", name="web")
    log.made(30.02, REPLICASET)
    log.bound(30.04, "web-1-aaaaa", "node-1")
    assert named(log, "web-1-aaaaa").actor == "bob"


def test_creations_of_two_clients_that_fit_are_ambiguous() -> None:
    log = NamelessLog()
    deployed(log)
    log.made(0.02, "mallory")
    log.made(0.03, REPLICASET)
    log.bound(0.04, "web-1-aaaaa", "node-1")
    answer = named(log, "web-1-aaaaa")
    assert (answer.actor, answer.confidence) == (None, ChainConfidence.AMBIGUOUS)
    assert set(answer.candidates) == {"mallory", REPLICASET}


def test_a_controller_names_its_pods_after_its_workloads() -> None:
    log = NamelessLog()
    deployed(log)
    log.workload(0.01, "bob", "jobs", "report")
    log.made(0.02, JOB)
    log.made(0.03, REPLICASET)
    log.bound(0.04, "web-1-aaaaa", "node-1")
    log.bound(0.05, "report-bbbbb", "node-1")
    assert named(log, "web-1-aaaaa").actor == "alice"
    assert named(log, "report-bbbbb").actor == "bob"


def test_a_name_is_its_whole_prefix_and_five_characters() -> None:
    log = NamelessLog()
    log.level = "Request"
    deployed(log)
    log.made(0.02, "mallory", "web-")
    log.made(0.03, REPLICASET, "web-1-")
    log.bound(0.04, "web-1-aaaaa", "node-1")
    assert named(log, "web-1-aaaaa").actor == "alice"


def test_a_long_prefix_is_cut() -> None:
    log = NamelessLog()
    log.level = "Request"
    log.made(0.02, "alice", "x" * 70)
    log.bound(0.04, "x" * 58 + "aaaaa", "node-1")
    assert named(log, "x" * 58 + "aaaaa").actor == "alice"


def test_creations_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_nameless, "NAMELESS_LIMIT", 10)
    waiting = chain_nameless.NamelessPods()
    log = NamelessLog()
    for number in range(50):
        log.made(number, REPLICASET)
    for record in log.records():
        waiting.add(record)
    assert len(waiting) == 10

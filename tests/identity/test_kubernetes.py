"""Pods and restart counts."""

from __future__ import annotations

import pytest

from sensor.identity.kubernetes import attempt_from_logs, from_cri, from_labels
from sensor.identity.oci import Bundle
from sensor.identity.reading import RootReader
from sensor.model.container import Orchestrator
from sensor.model.vocabulary import PodSource
from tests.identity.sample_node import Node

UID = "eb052b63-ea96-4728-ab4a-64ab3babccd7"
POD = Orchestrator("kubernetes", "prod", "shop-1", UID, "web")


def logs(node: Node, *names: str) -> None:
    for name in names:
        node.write(f"/var/log/pods/prod_shop-1_{UID}/web/{name}", b"")


def test_the_newest_log_shows_the_attempt(node: Node, reading: RootReader) -> None:
    logs(node, "2.log", "10.log", "9.log.20240101-000000.gz", "x.log", "11.logs", "log")
    assert attempt_from_logs(reading, "/var/log/pods", POD, UID) == 10


def test_rotated_logs_count(node: Node, reading: RootReader) -> None:
    logs(node, "4.log.20240101-000000")
    assert attempt_from_logs(reading, "/var/log/pods", POD, UID) == 4


def test_no_logs_no_attempt(node: Node, reading: RootReader) -> None:
    assert attempt_from_logs(reading, "/var/log/pods", POD, UID) is None
    logs(node, "99999999999.log", "4294967296.log")
    assert attempt_from_logs(reading, "/var/log/pods", POD, UID) is None
    assert reading.problems == []


@pytest.mark.parametrize("name", ["..", "a/b", "a/../b", "", "\0", "a" * 300], ids=repr)
def test_hostile_names_build_no_path(node: Node, reading: RootReader, name: str) -> None:
    logs(node, "1.log")
    for pod in (
        Orchestrator("kubernetes", name, "shop-1", UID, "web"),
        Orchestrator("kubernetes", "prod", name, UID, "web"),
        Orchestrator("kubernetes", "prod", "shop-1", UID, name),
    ):
        assert attempt_from_logs(reading, "/var/log/pods", pod, UID) is None
    assert attempt_from_logs(reading, "/var/log/pods", POD, name) is None


def test_a_static_pods_uid_has_no_dashes_and_its_source_is_a_file() -> None:
    found = from_cri(
        Bundle(
            annotations=(
                ("io.kubernetes.cri.sandbox-name", "etcd"),
                ("io.kubernetes.cri.sandbox-uid", "bd12dd3393227d950605a2444b13c27a"),
            )
        )
    )
    assert found is not None
    assert found.pod_uid == "bd12dd3393227d950605a2444b13c27a"
    assert found.source is PodSource.FILE


@pytest.mark.parametrize(
    ("count", "attempt"),
    [("0", 0), ("7", 7), ("-1", None), ("x", None), ("", None), ("9" * 10, None), ("9" * 50, None)],
)
def test_the_attempt_is_the_restart_count_if_that_is_a_number(
    count: str, attempt: int | None
) -> None:
    labels = [
        ("io.kubernetes.pod.name", "shop-1"),
        ("io.kubernetes.container.name", "web"),
        ("annotation.io.kubernetes.container.restartCount", count),
    ]
    found = from_labels(labels)
    assert found is not None
    assert found.attempt == attempt


def test_the_name_that_dockershim_gives_is_enough() -> None:
    assert from_labels([], f"k8s_web_shop-1_prod_{UID}_2") == Orchestrator(
        "kubernetes", "prod", "shop-1", UID, "web", 2, source=PodSource.API
    )


def test_a_sandbox_has_no_container_and_no_attempt() -> None:
    found = from_labels([], f"k8s_POD_shop-1_prod_{UID}_2")
    assert found == Orchestrator("kubernetes", "prod", "shop-1", UID, source=PodSource.API)


@pytest.mark.parametrize("name", [None, "web", "k8s_web", "k8s_a_b_c_d_x", "k8s_a_b_c_d"], ids=str)
def test_other_names_are_not_pods(name: str | None) -> None:
    assert from_labels([("app", "web")], name) is None

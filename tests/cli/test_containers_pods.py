"""The table of pods."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.api.view import ContainerView
from sensor.cli.containers import PODS, pod_rows


def deployment(count: int, *, owner: bool) -> list[ContainerView]:
    return [
        ContainerView(
            f"{number:064x}",
            "app",
            state="running",
            namespace="shop",
            pod=f"web-7c5ddbdf54-{number:05d}",
            pod_uid=f"uid-{number}",
            pod_container="app",
            owner="Deployment/web" if owner else f"Deployment/app-{number}",
            attempt=0,
        )
        for number in range(count)
    ]


def test_thirty_pods_of_a_deployment_are_distinguished_from_thirty_unrelated_ones() -> None:
    related = pod_rows(deployment(30, owner=True), 0)
    unrelated = pod_rows(deployment(30, owner=False), 0)
    assert {row[1] for row in related} == {"Deployment/web"}
    assert len({row[1] for row in unrelated}) == 30
    assert len({row[0] for row in related}) == 30


def test_what_a_container_is_within_its_pod_is_said_where_it_is_known() -> None:
    one = ContainerView("a" * 64, "app", pod="web-1", pod_uid="u", pod_container="app")
    known = replace(one, container_type="ephemeral")
    inferred = replace(one, container_type="init", type_inferred=True)
    found = [pod_rows([each], 0)[0][3] for each in (one, known, inferred)]
    assert found == ["app", "app (ephemeral)", "app (~init)"]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_pods_of_a_deployment_differ_at_any_width_beside_the_longest_name(width: int) -> None:
    long = ContainerView("f" * 64, "c" * 63, namespace="n" * 63, pod="x" * 150, pod_uid="u")
    pods = deployment(30, owner=True)
    header, *lines = PODS.table(pod_rows([*pods, long], 0), width)
    assert all(len(line) <= width for line in (header, *lines))
    first = [line.split("  ")[0] for line in lines]
    assert len(set(first)) == len(pods) + 1
    assert {line[-5:] for line in first if line.startswith("shop")} == {
        f"{number:05d}" for number in range(30)
    }


def test_a_pod_is_named_once_and_its_sandbox_is_called_one() -> None:
    pod = ContainerView("a" * 64, "app", namespace="shop", pod="web-1", pod_uid="u")
    rows = pod_rows(
        [
            replace(pod, id="b" * 64, name="side"),
            pod,
            replace(pod, id="c" * 64, name="web-1", sandbox=True),
            ContainerView("d" * 64, "alone"),
        ],
        0,
    )
    assert [(row[0], row[3]) for row in rows] == [
        ("shop/web-1", "app"),
        ("", "side"),
        ("", "(sandbox)"),
    ]
    assert PODS.table(rows, 80)[0].startswith("POD")

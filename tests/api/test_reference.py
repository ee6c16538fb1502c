"""What people call containers: ids, names, pods, workloads."""

from __future__ import annotations

import pytest

from sensor.api.reference import called, find, is_group, latest
from sensor.api.view import ContainerView


def member(
    id_: str, name: str, pod: str, namespace: str, owner: str | None = None, state: str = "running"
) -> ContainerView:
    return ContainerView(
        id_,
        name,
        state=state,
        started=f"2026-01-01T00:00:0{len(id_)}.0Z",
        namespace=namespace,
        pod=pod,
        pod_uid=f"uid of {namespace}/{pod}",
        owner=owner,
        sandbox=name == pod,
    )


WEB = "Deployment/web"
NODE = (
    member("a1", "web-1", "web-1", "shop", WEB),
    member("a2", "app", "web-1", "shop", WEB),
    member("a3x", "side", "web-1", "shop", WEB),
    member("b1", "web-2", "web-2", "shop", WEB),
    member("b2", "app", "web-2", "shop", WEB),
    member("b9", "app", "web-2", "shop", WEB, state="stopped"),
    member("c1", "web-1", "web-1", "test"),
    member("c2", "app", "web-1", "test"),
    member("d1", "lonely", "lonely", "shop"),
    ContainerView("e1", "db", state="running"),
)


@pytest.mark.parametrize(
    ("reference", "ids"),
    [
        ("shop/web-1", "a2 a3x"),
        ("web-1", "a2 a3x c2"),
        ("test/web-1", "c2"),
        ("web", "a2 a3x b2"),
        ("Deployment/web", "a2 a3x b2"),
        ("shop/web", "a2 a3x b2"),
        ("shop/Deployment/web", "a2 a3x b2"),
        ("test/web", "c2"),
        ("web-", "a2 a3x b2 b9 c2"),
        ("test/we", "c2"),
        ("lone", "d1"),
        ("c1", "c1"),
        ("lonely", "d1"),
        ("a1", "a1"),
        ("db", "e1"),
        ("side", "a3x"),
        ("b", "b1 b2 b9"),
        ("nothing/at/all", ""),
    ],
)
def test_a_pods_or_workloads_name_means_its_containers(reference: str, ids: str) -> None:
    assert [one.id for one in find(NODE, reference)] == ids.split()


def test_a_group_is_distinguished_from_what_is_ambiguous() -> None:
    assert is_group(find(NODE, "web"), "web")
    assert is_group(find(NODE, "shop/web-1"), "shop/web-1")
    assert not is_group(find(NODE, "b"), "b")
    assert not is_group(find(NODE, "app"), "app")
    assert not is_group([], "web")


def test_the_latest_of_a_group_is_the_one_that_started_last() -> None:
    assert latest(find(NODE, "shop/web-1")).id == "a3x"


def test_what_may_be_meant_is_called_by_what_distinguishes_it() -> None:
    pods = ContainerView("a", "app", namespace="shop", pod="web-1", pod_container="app")
    sandbox = ContainerView("b", "web-1", namespace="shop", pod="web-1", sandbox=True)
    found = [called(one) for one in (pods, sandbox, ContainerView("c", "db"), ContainerView("d"))]
    assert found == ["shop/web-1/app", "web-1", "db", None]

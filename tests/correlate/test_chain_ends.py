"""A pod in place of one that ended was asked for by who ended it."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import ActorKind, ChainConfidence, Effect, RequestedBy
from tests.correlate.audit_log import Log, owner, started

POD = {"kind": "Pod", "metadata": {"name": "web-1-aaaaa", "uid": "web-1-aaaaa"}}


def deleted_all(log: Log, time: float, user: str, names: list[str] | None) -> None:
    """A deletion of all pods; ``names`` is None where the record does not list them."""
    items = [
        {
            "metadata": {
                "name": name,
                "uid": name,
                "ownerReferences": [owner("ReplicaSet", name.rpartition("-")[0], "web-1")],
            }
        }
        for name in names or ()
    ]
    answer: dict[str, Any] = {} if names is None else {"kind": "PodList", "items": items}
    log.call(time, user, "deletecollection", "pods", answer=answer)


def replaced(names: list[str] | None, after: float = 0.1) -> RequestedBy | None:
    log = started()
    deleted_all(log, 50, "bob", names)
    log.pod(50 + after, "web-1-ccccc", "web-1")
    return log.answers().get("web-1-ccccc")


@pytest.mark.parametrize("names", [["web-1-aaaaa"], None], ids=["listed", "not listed"])
def test_who_deletes_a_collection_of_pods_is_asked_for_those_in_their_place(
    names: list[str] | None,
) -> None:
    answer = replaced(names)
    assert answer is not None
    assert (answer.actor, answer.effect, answer.confidence) == (
        "bob",
        Effect.REPLACEMENT,
        ChainConfidence.INFERRED,
    )


def test_a_collection_without_pods_of_the_owner_is_not_a_cause() -> None:
    log = started()
    deleted_all(log, 50, "bob", [])
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_each_listed_pod_makes_room_for_one() -> None:
    log = started()
    deleted_all(log, 50, "bob", ["web-1-aaaaa"])
    log.pod(50.1, "web-1-ccccc", "web-1")
    log.pod(50.2, "web-1-ddddd", "web-1")
    answers = log.answers()
    assert answers["web-1-ccccc"].actor == "bob"
    assert "web-1-ddddd" not in answers


def test_a_deletion_that_lists_no_pods_is_soon_over() -> None:
    assert replaced(None, after=120) is None


def test_a_controllers_own_cleaning_up_is_not_a_cause() -> None:
    log = started()
    user = "system:serviceaccount:kube-system:namespace-controller"
    deleted_all(log, 50, user, None)
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


def test_a_node_that_ends_a_pod_asked_for_nothing() -> None:
    log = started()
    log.call(50, "system:node:node-1", "delete", "pods", name="web-1-aaaaa", answer=POD)
    log.pod(50.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


@pytest.mark.parametrize(
    "who",
    ["system:kube-scheduler", "system:serviceaccount:kube-system:pod-garbage-collector"],
    ids=["displaced by another pod", "the record of the node's end is missing"],
)
def test_a_pod_that_the_control_plane_ends_by_itself_has_no_requester(who: str) -> None:
    """Bob's write of an unknown kind, minutes before, caused nothing."""
    log = started()
    log.call(50, "bob", "patch", "deployments", name="web", body=None)
    for part in ("requestObject", "responseObject"):
        del log.lines[-1][part]
    log.call(53, who, "delete", "pods", name="web-1-aaaaa", answer=POD)
    log.pod(53.1, "web-1-ccccc", "web-1")
    answer = log.answers().get("web-1-ccccc")
    assert answer is None or (answer.actor is None and who in answer.candidates)
    log = started()
    log.call(50, "bob", "patch", "deployments", name="web", body=None)
    for part in ("requestObject", "responseObject"):
        del log.lines[-1][part]
    log.call(150, who, "delete", "pods", name="web-1-aaaaa", answer=POD)
    log.pod(150.1, "web-1-ccccc", "web-1")
    assert "web-1-ccccc" not in log.answers()


@pytest.mark.parametrize("who", ["system:cluster-autoscaler", "eks:node-manager"])
def test_a_component_that_drains_a_node_is_named(who: str) -> None:
    log = started()
    log.call(50, who, "create", "pods/eviction", name="web-1-aaaaa", answer={"kind": "Status"})
    log.pod(50.1, "web-1-ccccc", "web-1")
    answer = log.answers()["web-1-ccccc"]
    assert (answer.actor, answer.kind, answer.effect) == (
        who,
        ActorKind.CONTROL_PLANE,
        Effect.REPLACEMENT,
    )

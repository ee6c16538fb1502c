"""The last start of a container is found, be the container known or gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensor.api.server import ControlServer
from sensor.api.view import ContainerView
from tests.api.sample_agent import CONTAINERS, DATABASE, OLD, WEB, Log, View, ask, line, serving

GONE, GONE_TOO = "77" * 32, "78" * 32


def log() -> Log:
    kept = Log()
    kept.events = {
        1: line(1, id=OLD),
        2: line(2),
        3: line(3),
        4: line(4, "container.stop"),
        5: line(5, id=GONE, name="job"),
        6: line(6, id=GONE_TOO, name="job"),
        7: line(7, "container.start_failed", id="66" * 32, name="broken"),
    }
    return kept


def explain(
    reference: str, view: View | None = None, kept: Log | None = None
) -> tuple[int, dict[str, Any]]:
    answers: list[tuple[int, dict[str, Any]]] = []

    async def scenario(_: ControlServer, path: Path) -> None:
        status, body = await ask(path, f"/v1/explain/{reference}")
        answers.append((status, json.loads(body)))

    serving(scenario, view=view or View(), log=kept or log())
    return answers[0]


@pytest.mark.parametrize(
    ("reference", "event"),
    [
        pytest.param("web", "id-3", id="a name"),
        pytest.param(WEB[:8], "id-3", id="the beginning of an id"),
        pytest.param(OLD, "id-1", id="one that had the name before"),
        pytest.param("job", "id-6", id="a name that is gone: the last that had it"),
        pytest.param(GONE, "id-5", id="an id that is gone"),
        pytest.param("broken", "id-7", id="one that failed to start"),
        pytest.param("77", "id-5", id="the beginning of an id that is gone"),
    ],
)
def test_which_start_is_explained(reference: str, event: str) -> None:
    status, document = explain(reference)
    assert status == 200
    assert document["event"]["id"] == event
    assert document["cursor"] == f"abc123-{event[3:]}"
    assert document["steps"][-1]["kind"] == "init"


@pytest.mark.parametrize(("inferred", "shown"), [(True, "init"), (False, None)])
def test_what_only_the_order_in_the_pod_shows_is_not_part_of_the_event(
    *, inferred: bool, shown: str | None
) -> None:
    one = ContainerView(WEB, "web", state="stopped", container_type="init", type_inferred=inferred)
    status, document = explain(WEB, View((one,)))
    assert (status, document["inferred_type"]) == (200, shown)
    assert (document["event"].get("orchestrator") or {}).get("container_type") is None


@pytest.mark.parametrize(
    ("reference", "status", "candidates"),
    [
        ("we", 409, {OLD, WEB}),
        ("7", 409, {GONE, GONE_TOO}),
        (DATABASE, 404, set()),
        ("nobody", 404, set()),
    ],
)
def test_which_is_not(reference: str, status: int, candidates: set[str]) -> None:
    answer, document = explain(reference)
    assert answer == status
    assert {one["id"] for one in document.get("candidates", ())} == candidates


def requested(**parts: object) -> Log:
    """A log whose start was asked for by a service account of the pod ``uid-of-ci``."""
    kept = Log()
    event = json.loads(line(1))
    event["orchestrator"] = {
        "type": "kubernetes",
        "pod": "job-1",
        "requested_by": {
            "actor": "system:serviceaccount:ci:runner",
            "confidence": "exact",
            "pod_uid": "uid-of-ci",
            "chain": [
                {"action": "create pods", "actor": "system:serviceaccount:ci:runner"},
            ],
        }
        | parts,
    }
    kept.events = {1: json.dumps(event).encode() + b"\n"}
    return kept


@pytest.mark.parametrize(
    ("uid", "shown"),
    [("uid-of-ci", f"container runner ({'a' * 64})"), ("another", "not on this node")],
)
def test_a_request_from_inside_a_container_begins_with_that_container(uid: str, shown: str) -> None:
    inside = ContainerView("a" * 64, "k8s_runner", pod_uid=uid, pod_container="runner")
    pause = ContainerView("b" * 64, "pause", pod_uid=uid, sandbox=True)
    view = View((*CONTAINERS, inside, pause))
    status, document = explain("web", view, requested())
    assert status == 200
    first, second = document["steps"][:2]
    assert (first["label"], first["detail"]) == ("from pod uid-of-ci", shown)
    assert second["label"] == "system:serviceaccount:ci:runner: create pods"


def test_the_author_of_a_manifest_is_a_record_of_audit() -> None:
    step = {
        "action": "write manifest",
        "actor": "alice",
        "request_id": "audit 1000.1:7",
        "workload": "File/etc/kubernetes/manifests/web.yaml",
    }
    document = explain("web", None, requested(pod_uid=None, chain=[step]))[1]
    first = document["steps"][0]
    assert first["label"] == "alice: write manifest"
    assert first["evidence"][0]["source"] == "audit"

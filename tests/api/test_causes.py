"""The chain of causes has what the event says, in order, and nothing that it does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensor.api.causes import CauseStep, steps
from sensor.schema.document import encode_line
from tests.outputs.sample_events import EVENTS

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_starts() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.stem}-{number}", document)
        for path in sorted(GOLDEN.glob("*.jsonl"))
        for number, text in enumerate(path.read_text().splitlines())
        if (document := json.loads(text))["type"] == "container.start"
    ]


STARTS = golden_starts()


def start(**changes: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode_line(EVENTS["start"]))
    return document | changes


def kinds(event: dict[str, Any]) -> list[str]:
    return [step.kind for step in steps(event)]


def test_there_are_real_events_to_look_at() -> None:
    assert len(STARTS) > 10


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in STARTS])
def test_every_piece_of_evidence_stands_at_one_step(event: dict[str, Any]) -> None:
    found = steps(event)
    answer = [
        (one.source, one.kind, one.what, one.time, one.ref)
        for step in found
        for one in step.evidence
    ]
    expected = [tuple(one.values()) for one in event["evidence"]]
    assert sorted(map(str, answer)) == sorted(map(str, expected))
    assert found[-1].kind == "init"
    assert found[-1].evidence
    assert all(step.label for step in found)


def is_newer(evidence: dict[str, Any]) -> bool:
    """Whether no agent without kinds wrote such evidence."""
    return str(evidence["what"]).endswith(": an init container")


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in STARTS])
def test_evidence_of_an_agent_without_kinds_stands_at_the_same_steps(event: dict[str, Any]) -> None:
    without = [
        {name: value for name, value in one.items() if name != "kind" or is_newer(one)}
        for one in event["evidence"]
    ]
    before = steps(event | {"evidence": without})
    assert [(one.kind, len(one.evidence)) for one in before] == [
        (one.kind, len(one.evidence)) for one in steps(event)
    ]


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in STARTS])
def test_a_step_without_evidence_is_not_said_to_be_seen(event: dict[str, Any]) -> None:
    for step in steps(event):
        if step.kind == "supervisor":
            assert (step.confidence, step.evidence) == ("inferred", ())


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in STARTS])
def test_a_chain_reads_back(event: dict[str, Any]) -> None:
    for step in steps(event):
        document = json.loads(json.dumps(step.document()))
        assert CauseStep.from_document(document | {"newer": 1}) == step


def test_a_person_s_command_through_docker() -> None:
    found = steps(start())
    assert [step.kind for step in found] == [
        "login",
        "ancestor",
        "shell",
        "client",
        "api",
        "engine",
        "supervisor",
        "runtime",
        "init",
    ]
    login, _, shell, client, api, engine, *_ = found
    assert (login.label, login.detail) == ("alice", "login session 3")
    assert (shell.label, shell.pid) == ("bash", 4000)
    assert (client.label, client.detail) == (
        "docker start web",
        "as root, in /home/alice, on pts/3",
    )
    assert (api.label, api.detail, api.confidence) == (
        "API connection",
        "/run/docker.sock",
        "inferred",
    )
    assert engine.label == "dockerd"


def test_an_unknown_cause_is_said() -> None:
    event = start(initiator=None, start={"kind": "first", "trigger": "unknown"})
    assert steps(event)[0].label == "unknown"


def test_a_policy_is_a_cause() -> None:
    event = start(initiator=None, start={"kind": "restart", "trigger": "restart_policy"})
    assert (steps(event)[0].kind, steps(event)[0].label) == ("trigger", "its restart policy")


def test_candidates_are_reported_as_such() -> None:
    event = start()
    event |= {"candidates": [event["initiator"]] * 2, "initiator": None}
    assert kinds(event)[:2] == ["candidate", "candidate"]
    assert steps(event)[0].confidence == "ambiguous"


def test_a_pod_is_a_cause() -> None:
    event = json.loads(encode_line(EVENTS["start_pod"]))
    assert steps(event)[0].label == "kubernetes pod shop/web-0"


def test_a_bare_event_has_a_chain() -> None:
    assert kinds({}) == ["trigger", "init"]


@pytest.mark.parametrize("document", [{}, {"kind": "init"}, {"evidence": [{}]}])
def test_what_is_not_a_step(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no step"):
        CauseStep.from_document(document)

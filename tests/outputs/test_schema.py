"""The published JSON Schema, the model's words and the encoder say the same."""

from __future__ import annotations

import dataclasses
import enum
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sensor.model.agent_records import HostFacts
from sensor.model.container import Image, Mount, Orchestrator, Security
from sensor.model.control_plane import (
    Actor,
    ChainStep,
    Cluster,
    Owner,
    RecordRef,
    Request,
    RequestContainer,
    RequestedBy,
    Workload,
)
from sensor.model.events import (
    Certainty,
    Container,
    Event,
    Evidence,
    Gap,
    Initiator,
    InitiatorProcess,
    InitiatorUser,
    PreviousRun,
    SensorNote,
    Start,
    Stop,
    Verdict,
)
from sensor.model.log_head import LogHead
from sensor.model.vocabulary import (
    Confidence,
    Engine,
    EventType,
    Explanation,
    Finding,
    LastEnd,
    StartKind,
    Trigger,
    Witness,
)
from sensor.schema.document import encode_line
from tests.outputs.sample_events import EVENTS

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "schema" / "castoff.event.1.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
DEFS = SCHEMA["$defs"]


def problems(document: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_events_are_valid(event: Event) -> None:
    assert problems(json.loads(encode_line(event))) == []


def test_samples_cover_every_type() -> None:
    assert {event.type for event in EVENTS.values()} == set(EventType)


@pytest.mark.parametrize(
    ("words", "vocabulary"),
    [
        pytest.param(SCHEMA["properties"]["type"], EventType, id="type"),
        pytest.param(DEFS["container"]["properties"]["runtime"], Engine, id="runtime"),
        pytest.param(DEFS["start"]["properties"]["kind"], StartKind, id="kind"),
        pytest.param(DEFS["start"]["properties"]["trigger"], Trigger, id="trigger"),
        pytest.param(DEFS["verdict"]["properties"]["explanation"], Explanation, id="explanation"),
        pytest.param(DEFS["finding"], Finding, id="finding"),
        pytest.param(DEFS["sensor"]["properties"]["last_end"], LastEnd, id="last_end"),
        pytest.param(DEFS["confidence"], Confidence, id="confidence"),
        pytest.param(DEFS["evidence"]["properties"]["source"], Witness, id="source"),
    ],
)
def test_words_are_the_models(words: dict[str, Any], vocabulary: type[enum.Enum]) -> None:
    assert {word for word in words["enum"] if word is not None} == {
        member.value for member in vocabulary
    }


def object_schemas(node: object) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for child in node for found in object_schemas(child)]
    if not isinstance(node, dict):
        return []
    here = [node] if "properties" in node and node.get("type") == "object" else []
    return here + [found for child in node.values() for found in object_schemas(child)]


def test_every_object_is_closed_and_whole() -> None:
    for found in [SCHEMA, *object_schemas(DEFS)]:
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


GOOD: dict[str, Any] = json.loads(encode_line(EVENTS["start"]))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD | {"extra": 1}, id="a key of no schema"),
        pytest.param(without(GOOD, "gap"), id="a missing key"),
        pytest.param(GOOD | {"time": "2023-11-14T22:13:33Z"}, id="time without nanoseconds"),
        pytest.param(GOOD | {"type": "container.started"}, id="unknown type"),
        pytest.param(GOOD | {"start": None}, id="a start without start"),
        pytest.param(GOOD | {"container": None}, id="a start without container"),
        pytest.param(GOOD | {"container": GOOD["container"] | {"name": ""}}, id="empty unknown"),
        pytest.param(GOOD | {"container": GOOD["container"] | {"pid": 0}}, id="zero unknown"),
        pytest.param(GOOD | {"type": "gap"}, id="a gap with a start's blocks"),
    ],
)
def test_what_is_wrong_is_refused(bad: dict[str, Any]) -> None:
    assert problems(bad)


def test_the_encoder_writes_every_field_of_the_model() -> None:
    """A field that is added to the model does not silently stay out of the document."""
    renamed = {"created_wall": "created", "started_wall": "started", "stopped_wall": "stopped"}
    left_out = {
        (Event, "realtime_offset"),
        (Event, "owner"),
        (HostFacts, "namespaces"),
        (Orchestrator, "attempt"),
    }
    blocks = {
        Event: SCHEMA,
        HostFacts: DEFS["host"],
        Container: DEFS["container"],
        Image: DEFS["image"],
        Security: DEFS["security"],
        Mount: DEFS["mount"],
        Start: DEFS["start"],
        PreviousRun: DEFS["previous"],
        Stop: DEFS["stop"],
        InitiatorProcess: DEFS["process"],
        InitiatorUser: DEFS["user"],
        Initiator: DEFS["initiator"],
        Orchestrator: DEFS["orchestrator"],
        Verdict: DEFS["verdict"],
        Certainty: DEFS["certainty"],
        Evidence: DEFS["evidence"],
        Gap: DEFS["gap"],
        SensorNote: DEFS["sensor"],
        LogHead: DEFS["log_head"],
        Request: DEFS["request"],
        Actor: DEFS["actor"],
        Cluster: DEFS["cluster"],
        Workload: DEFS["workload"],
        Owner: DEFS["owner"],
        RequestContainer: DEFS["request_container"],
        RecordRef: DEFS["record_ref"],
        RequestedBy: DEFS["requested_by"],
        ChainStep: DEFS["chain_step"],
    }
    for cls, block in blocks.items():
        names = {
            renamed.get(item.name, item.name)
            for item in dataclasses.fields(cls)
            if (cls, item.name) not in left_out
        }
        # An event does not know its place in the log: the place is filled in when it is read.
        beside = {"schema", "log"} if cls is Event else {"schema"}
        assert set(block["properties"]) - beside == names, cls.__name__

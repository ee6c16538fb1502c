"""Every event is valid OCSF 1.8 of the class, activity and profiles that it claims."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from sensor.outputs.delivery import Record
from sensor.outputs.formats.ocsf import FORMAT, document
from tests.outputs.formats.records import RECORDS, record, remade
from tests.outputs.sample_events import EVENTS, ID

CATALOGUE = get_ocsf_schema("1.8.0")
SCHEMAS = OcsfJsonSchemaEmbedded(CATALOGUE)


@lru_cache
def validator(class_uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    name = SCHEMAS.lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(SCHEMAS.get_class_schema(name, list(profiles)))


def problems(reported: dict[str, Any]) -> list[str]:
    check = validator(reported["class_uid"], tuple(reported["metadata"]["profiles"]))
    return [f"{error.json_path}: {error.message}" for error in check.iter_errors(reported)]


def constraints(reported: object, kind: str) -> list[str]:
    """Return where an object of OCSF lacks all of what it must have at least one of.

    The JSON Schema does not say so, the catalogue does.
    """
    found: list[str] = []
    if isinstance(reported, list):
        return [problem for item in reported for problem in constraints(item, kind)]
    if not isinstance(reported, dict) or kind not in CATALOGUE["objects"]:
        return found
    described = CATALOGUE["objects"][kind]
    wanted = (described.get("constraints") or {}).get("at_least_one", [])
    if wanted and not set(wanted) & set(reported):
        found.append(f"{kind} has none of {wanted}")
    for key, value in reported.items():
        inner = described["attributes"].get(key, {}).get("object_type")
        if inner is not None:
            found += constraints(value, inner)
    return found


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_every_event_is_valid(given: Record) -> None:
    reported = json.loads(FORMAT.line(given))
    assert problems(reported) == []
    attributes = CATALOGUE["classes"][SCHEMAS.lookup_class_name_from_uid(reported["class_uid"])][
        "attributes"
    ]
    for key, value in reported.items():
        kind = attributes[key].get("object_type")
        if kind is not None:
            assert constraints(value, kind) == []
    assert reported["type_uid"] == reported["class_uid"] * 100 + reported["activity_id"]
    assert (
        reported["type_name"]
        == attributes["type_uid"]["enum"][str(reported["type_uid"])]["caption"]
    )
    for name in ("class", "category"):
        captions = attributes[f"{name}_uid"]["enum"]
        assert reported[f"{name}_name"] == captions[str(reported[f"{name}_uid"])]["caption"]
    for name in ("severity", "status", "launch_type"):
        if f"{name}_id" in reported:
            captions = attributes[f"{name}_id"]["enum"]
            assert reported[name] == captions[str(reported[f"{name}_id"])]["caption"]


def test_the_validation_would_find_a_mistake() -> None:
    reported = json.loads(FORMAT.line(RECORDS["sample:start"]))
    assert problems(reported | {"activity_id": 77})
    assert problems(reported | {"surprise": 1})
    assert problems({key: value for key, value in reported.items() if key != "process"})
    assert constraints({"container": {"runtime": "docker"}, "pid": 1}, "process")


@pytest.mark.parametrize(
    ("name", "type_uid", "status", "activity"),
    [
        ("start", 100701, "Success", "Launch"),
        ("start_failed", 100701, "Failure", "Launch"),
        ("stop", 100702, None, "Terminate"),
        ("pause", 100799, "Success", "Pause"),
        ("unpause", 100799, "Success", "Unpause"),
        ("alert", 200401, "New", "Create"),
        ("gap", 100899, "Failure", "Gap"),
        ("sensor", 100899, None, "started"),
    ],
)
def test_class_and_activity(name: str, type_uid: int, status: str | None, activity: str) -> None:
    reported = document(record(EVENTS[name]))
    assert reported["type_uid"] == type_uid
    assert reported.get("status") == status
    assert reported["activity_name"] == activity


def test_a_start_shows_who_did_it_and_what_was_launched() -> None:
    reported: Any = document(record(EVENTS["start"]))
    assert reported["actor"]["user"] == {"uid": "1000", "name": "alice"}
    assert reported["actor"]["process"]["user"] == {"uid": "0", "name": "root"}
    assert reported["actor"]["process"]["auid"] == 1000
    assert reported["actor"]["process"]["cmd_line"] == "docker start web"
    assert reported["actor"]["app_name"] == "user_command"
    assert reported["actor"]["session"] == {"uid": "3", "terminal": "pts/3"}
    assert reported["process"]["pid"] == 4242
    assert reported["process"]["container"]["uid"] == ID
    assert reported["process"]["container"]["image"]["tag"] == "1.25"
    assert reported["attacks"] == [{"technique": {"uid": "T1610"}}]
    assert reported["severity"] == "Medium"
    assert reported["time"] == 1_700_000_013_000
    assert reported["unmapped"]["start"]["kind"] == "reactivation"


def test_an_unknown_actor_is_said_and_not_guessed() -> None:
    reported: Any = document(record(EVENTS["start_bare"]))
    assert reported["actor"] == {"app_name": "unknown"}
    assert reported["process"] == {
        "uid": "box",
        "created_time": 1_700_000_020_000,
        "container": {"uid": "box"},
    }


def test_a_pod_uid_that_is_not_a_uuid_stays_out_of_a_field_for_uuids() -> None:
    native = json.loads(record(EVENTS["start_pod"]).line)
    native["orchestrator"]["pod_uid"] = "0123456789abcdef0123456789abcdef"
    reported: Any = document(remade(native))
    assert "pod_uuid" not in reported["process"]["container"]
    assert reported["unmapped"]["orchestrator"]["pod_uid"] == native["orchestrator"]["pod_uid"]


def test_what_was_cut_is_said() -> None:
    reported: Any = document(RECORDS["hostile:a label of 64 KiB"])
    assert reported["metadata"]["is_truncated"] is True
    assert reported["metadata"]["untruncated_size"] == len(
        RECORDS["hostile:a label of 64 KiB"].line
    )

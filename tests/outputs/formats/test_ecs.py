"""Every field is one of ECS 9.4, of its type and with its words, or stands under castoff."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from sensor.outputs.delivery import Record
from sensor.outputs.formats import ecs
from tests.outputs.formats.records import RECORDS, record
from tests.outputs.sample_events import EVENTS

NPM = Path(__file__).parents[2] / "npm"
PRINT = "process.stdout.write(JSON.stringify(require('@elastic/ecs')))"


@lru_cache
def package() -> dict[str, Any]:
    """Return what npm's @elastic/ecs exports: the fields of ECS and its version."""
    reported = subprocess.run(["node", "-e", PRINT], cwd=NPM, stdout=subprocess.PIPE, check=True)
    exported: dict[str, Any] = json.loads(reported.stdout)
    return exported


def fields() -> dict[str, dict[str, Any]]:
    flat: dict[str, dict[str, Any]] = package()["EcsFlat"]
    return flat


DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def leaves(reported: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in reported.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and fields().get(name, {}).get("type") not in {
            "object",
            "flattened",
        }:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def is_address(value: object) -> bool:
    try:
        ip_address(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def fits(value: object, kind: str) -> bool:
    match kind:
        case "keyword" | "wildcard" | "match_only_text" | "constant_keyword" | "text":
            return isinstance(value, str)
        case "ip" | "long":
            return is_address(value) if kind == "ip" else type(value) is int
        case "boolean":
            return isinstance(value, bool)
        case "date":
            return isinstance(value, str) and DATE.fullmatch(value) is not None
        case "object":
            return isinstance(value, dict) and all(
                key.strip() and "." not in key and isinstance(item, str)
                for key, item in value.items()
            )
    return False


def problems(reported: dict[str, Any]) -> list[str]:
    found = []
    for name, value in leaves({key: reported[key] for key in reported if key != "castoff"}):
        if name not in fields():
            found.append(f"{name} is not a field of ECS")
            continue
        field = fields()[name]
        many = "array" in field["normalize"]
        if many is not isinstance(value, list):
            found.append(f"{name}: one value or many")
        for item in value if isinstance(value, list) else [value]:
            if not fits(item, field["type"]):
                found.append(f"{name}: {item!r} is not of type {field['type']}")
            words = [word["name"] for word in field.get("allowed_values", [])]
            if words and item not in words:
                found.append(f"{name}: {item!r} is not allowed")
            if field.get("expected_values") and item not in field["expected_values"]:
                found.append(f"{name}: {item!r} is not expected")
    categories = {word["name"]: word for word in fields()["event.category"]["allowed_values"]}
    found.extend(
        f"event.type {type_} does not go with {category}"
        for category in reported["event"]["category"]
        for type_ in reported["event"]["type"]
        if type_ not in categories[category]["expected_event_types"]
    )
    return found + [
        f"{name} is required"
        for name, field in fields().items()
        if field.get("required") and name not in dict(leaves(reported))
    ]


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_every_event_is_valid(given: Record) -> None:
    assert problems(json.loads(ecs.FORMAT.line(given))) == []


def test_the_version_is_the_one_that_was_checked() -> None:
    assert package()["EcsVersion"] == ecs.VERSION


def test_the_validation_would_find_a_mistake() -> None:
    reported = json.loads(ecs.FORMAT.line(RECORDS["sample:start"]))
    assert problems(reported | {"surprise": 1})
    assert problems(reported | {"process": {"pid": "1"}})
    assert problems(reported | {"process": {"args": "one"}})
    assert problems(reported | {"event": reported["event"] | {"outcome": "maybe"}})
    assert problems(reported | {"event": reported["event"] | {"type": ["creation"]}})
    assert problems({key: value for key, value in reported.items() if key != "@timestamp"})


@pytest.mark.parametrize(
    ("name", "action", "kind", "category", "type_", "outcome"),
    [
        ("start", "container-reactivated", "event", "process", "start", "success"),
        ("start_bare", "container-started", "event", "process", "start", "success"),
        ("start_pod", "container-restarted", "event", "process", "start", "success"),
        ("start_non_ascii", "container-restored", "event", "process", "start", "success"),
        ("start_failed", "container-start-failed", "event", "process", "start", "failure"),
        ("stop", "container-stopped", "event", "process", "end", None),
        ("pause", "container-paused", "event", "process", "change", "success"),
        ("unpause", "container-unpaused", "event", "process", "change", "success"),
        ("alert", "alert", "alert", "process", "info", None),
        ("gap", "sensor-gap", "event", "host", "info", "failure"),
        ("sensor", "sensor-started", "event", "host", "info", None),
    ],
)
def test_the_words_of_the_event(
    name: str, action: str, kind: str, category: str, type_: str, outcome: str | None
) -> None:
    reported: Any = ecs.document(record(EVENTS[name]))["event"]
    assert reported["action"] == action
    assert reported["kind"] == kind
    assert reported["category"][0] == category
    assert reported["type"] == [type_]
    assert reported.get("outcome") == outcome


def test_starts_have_the_same_fields_whatever_runs_them() -> None:
    docker: Any = ecs.document(RECORDS["docker_run:3"])
    pod: Any = ecs.document(RECORDS["cri_pod:4"])
    assert docker["event"].keys() == pod["event"].keys()
    assert docker["event"]["action"] == pod["event"]["action"] == "container-started"
    assert docker["container"].keys() >= {"id", "runtime"} <= pod["container"].keys()
    assert docker["castoff"]["start"].keys() >= {"kind", "trigger"}
    assert pod["castoff"]["start"].keys() >= {"kind", "trigger"}


def test_the_person_is_the_user_and_the_account_is_effective() -> None:
    reported: Any = ecs.document(record(EVENTS["start"]))
    assert reported["user"] == {
        "id": "1000",
        "name": "alice",
        "effective": {"id": "0", "name": "root"},
    }
    assert reported["process"]["pid"] == 4242
    assert reported["container"]["image"] == {"name": "nginx", "tag": ["1.25"]}


def test_labels_whose_keys_would_fight_over_a_field_do_not() -> None:
    reported: Any = ecs.document(RECORDS["hostile:awful labels"])
    labels = reported["container"]["labels"]
    assert (labels["a_b"], labels["a"], labels["_"]) == ("1", "2", "")

"""Writes docs/fields.md: where each field of the native event goes in each format.

``python -m tests.outputs.formats.field_table`` writes it anew; a test fails when it is stale.

Nothing here is written twice. The fields are those of the JSON Schema; where one goes is found by
changing it in a whole event and looking at what changes in the encoded one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from sensor.outputs import registry
from tests.outputs.formats.cef_reader import parse
from tests.outputs.formats.records import record, remade
from tests.outputs.sample_events import EVENTS

DOCS = Path(__file__).parents[3] / "docs"
TARGET = DOCS / "fields.md"
TEMPLATE = Path(__file__).with_name("fields.template.md")
SCHEMA: dict[str, Any] = json.loads((DOCS / "schema/castoff.event.1.schema.json").read_text())

COLUMNS = {"ocsf": "OCSF 1.8", "ecs": "ECS 9", "otel": "OpenTelemetry", "cef": "CEF"}
TYPES = ["event", "OCSF class, activity", "action", "ECS", "severity", "OTel", "CEF"]
NOWHERE = "-"
WORDS = {"ocsf": "message", "ecs": "message", "otel": "body", "cef": "msg"}
"""Where the event stands in words; most fields have a part in it, which says little."""
WHOLE = (
    "candidates",
    "evidence",
    "orchestrator.requested_by.chain",
    "request.containers",
)
"""Lists that all formats take over as they are: one row each."""

BLOCKS = {
    "container.start": ("container", "start", "initiator", "orchestrator", "verdict"),
    "container.stop": ("container", "stop", "orchestrator"),
    "alert": ("container", "initiator", "verdict", "alert"),
    "gap": ("gap",),
    "sensor": ("sensor",),
    "container.start_requested": ("request",),
    "container.start_explained": ("container", "orchestrator", "start_id"),
}
"""What an event of each type has; together they have every field."""

BLOCK_NAMES = (
    "container",
    "start",
    "stop",
    "initiator",
    "orchestrator",
    "request",
    "start_id",
    "verdict",
    "gap",
    "alert",
)

FIRST = {
    "request.address": "203.0.113.9",
    "container.image.name": "registry.example:5000/shop/web:1.25",
    "container.user": "101",
    "orchestrator.type": "kubernetes",
    "orchestrator.pod_uid": "eb052b63-ea96-4728-ab4a-64ab3babccd7",
    "sensor.action": "inventory_taken",
    "sensor.log.id": "0f1e2d3c4b5a6978",
    "sensor.log.digest": "ab" * 32,
    "log.id": "0f1e2d3c4b5a6978",
    "verdict.attack[]": "T1610",
    "alert.attack[]": "T1610",
}
SECOND = {
    "request.address": "203.0.113.10",
    "container.image.name": "registry.example:5000/shop/db:9.6",
    "container.user": "102",
    "sensor.log.id": "8796a5b4c3d2e1f0",
    "sensor.log.digest": "cd" * 32,
    "log.id": "8796a5b4c3d2e1f0",
    "orchestrator.pod_uid": "11111111-ea96-4728-ab4a-64ab3babccd7",
    "verdict.attack[]": "T1611",
    "alert.attack[]": "T1611",
}
TIMES = ("2023-11-14T22:13:33.000000123Z", "2024-11-14T22:13:44.000000456Z")

Json = Any


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and take the first of several schemas: the one that is not null."""
    while "$ref" in node or "oneOf" in node:
        node = (
            node["oneOf"][0]
            if "oneOf" in node
            else SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
        )
    return node


def made(schema: dict[str, Any], path: str = "") -> Json:
    """Return a whole value of a schema, every part of it known."""
    node = resolved(schema)
    kind = node.get("type", "string")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "object" and "properties" in node:
        return {
            key: made(inner, f"{path}.{key}" if path else key)
            for key, inner in node["properties"].items()
        }
    if kind == "array":
        # Two, so that what is made of the first one only differs from the rest.
        return [made(node["items"], f"{path}[]") for _ in range(2)]
    words = [node["const"]] if "const" in node else node.get("enum", [])
    plain = {
        "object": {"team": "shop"},
        "integer": 17,
        "number": 17.5,
        "boolean": False,
        "string": words[0] if words else TIMES[0] if "pattern" in node else path,
    }
    return FIRST.get(path, plain[kind])


def event_of(type_: str) -> dict[str, Any]:
    event: dict[str, Any] = made(SCHEMA)
    event["type"] = type_
    known = BLOCKS[type_]
    for block in BLOCK_NAMES:
        if block not in known:
            event[block] = None
    event["sensor"] = event["sensor"] if "sensor" in known else None
    return event


def leaves(value: Json, path: str = "") -> Iterator[str]:
    """Yield the paths of a native event's fields, in order."""
    if path in WHOLE or path == "container.labels":
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        yield from leaves(value[0], f"{path}[]")
    elif value is not None:
        yield path


def other(value: Json, path: str) -> Json:
    """Return another value of the same type."""
    changed: Json = SECOND.get(path)
    if isinstance(value, bool):
        changed = not value
    elif isinstance(value, int | float):
        changed = value + 1
    elif isinstance(value, dict):
        changed = {key: other(inner, f"{path}.{key}") for key, inner in value.items()}
    elif isinstance(value, list):
        changed = [other(inner, f"{path}[]") for inner in value]
    elif value in TIMES:
        changed = TIMES[1]
    elif changed is None:
        words = enumerated(path)
        changed = next((word for word in words if word not in {value, None}), f"other-{value}")
    return changed


def enumerated(path: str) -> list[str | None]:
    node = SCHEMA
    for key in path.replace("[]", ".[]").split("."):
        node = resolved(node["items"] if key == "[]" else node.get("properties", {}).get(key, {}))
    return list(node.get("enum", []))


def changed(event: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy of the event in which one field has another value."""
    copied = copy.deepcopy(event)
    change(copied, path.split("."), path)
    return copied


def change(block: dict[str, Any], keys: list[str], path: str) -> None:
    key, *rest = keys
    name = key.removesuffix("[]")
    if key.endswith("[]") and rest:
        for inner in block[name]:
            change(inner, rest, path)
    elif rest:
        change(block[name], rest, path)
    elif key.endswith("[]"):
        block[name] = [other(inner, path) for inner in block[name]]
    else:
        block[name] = other(block[name], path)


def flat(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the fields of an encoded event."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, f"{path}[]")
    else:
        yield path, value


def encoded(name: str, event: dict[str, Any]) -> dict[str, list[Json]]:
    """Return the fields of the event in a format, each with all of its values."""
    line = registry.format_of(name).line(remade(event))
    found: dict[str, list[Json]] = {}
    if name == "cef":
        header, extension = parse(line)
        parts = {"signature": header[4], "name": header[5], "severity": header[6]}
        labels = {key for key in extension if key.endswith("Label")}
        for key, text in extension.items():
            if key not in labels:
                label = extension.get(f"{key}Label")
                parts[key if label is None else f"{key} ({label})"] = text
        return {key: [text] for key, text in parts.items()}
    encoded_line = json.loads(line)
    if name == "otel":
        (group,) = encoded_line["resourceLogs"]
        (log,) = group["scopeLogs"][0]["logRecords"]
        for place, pairs in (
            ("resource ", group["resource"]["attributes"]),
            ("", log.pop("attributes")),
        ):
            for pair in pairs:
                found[place + pair["key"]] = [pair["value"]]
        log["body"] = log["body"]["stringValue"]
        encoded_line = log
    for path, value in flat(encoded_line):
        found.setdefault(path, []).append(value)
    return found


def places(name: str, path: str) -> list[str]:
    """Return where a field goes in a format: what changes with it, in any type of event."""
    found: dict[str, None] = {}
    for type_ in BLOCKS:
        event = event_of(type_)
        if path not in leaves(event):
            continue
        before, after = encoded(name, event), encoded(name, changed(event, path))
        for place in [*before, *(key for key in after if key not in before)]:
            if before.get(place) != after.get(place):
                found[place] = None
    if set(found) != {WORDS[name]}:
        found.pop(WORDS[name], None)
    return list(found)


def shown(name: str, path: str) -> str:
    """Return a cell. A block that is taken over as it is counts as one place."""
    found: dict[str, None] = {}
    for full in places(name, path):
        place = full
        if path in WHOLE and f".{path}[]" in f".{full}":
            place = full[: full.index(f"{path}[]") + len(path)]
        if path == "container.labels":
            place = place.replace(".team", ".KEY")
        found[place] = None
    for place in list(found):
        if place.startswith("evidences[].") and place.removeprefix("evidences[].") in found:
            del found[place]
    return ", ".join(f"`{place}`" for place in found) or NOWHERE


@lru_cache
def rows() -> list[tuple[str, list[str]]]:
    paths: dict[str, None] = {}
    for type_ in BLOCKS:
        paths |= dict.fromkeys(leaves(event_of(type_)))
    # It decides what everything else is; the table of types shows it.
    del paths["type"]
    order = {key: number for number, key in enumerate(SCHEMA["properties"])}
    return [
        (path, [shown(name, path) for name in COLUMNS])
        for path in sorted(paths, key=lambda path: order[path.split(".")[0].removesuffix("[]")])
    ]


def types() -> Iterator[list[str]]:
    for sample, event in EVENTS.items():
        name = sample
        if sample == "start_bare":
            name = "start, first"
        elif sample in {"start", "start_pod", "start_non_ascii"}:
            assert event.start is not None
            name = f"start, {event.start.kind}"
        given = record(event)
        ocsf = json.loads(registry.format_of("ocsf").line(given))
        ecs = json.loads(registry.format_of("ecs").line(given))["event"]
        otel = encoded("otel", json.loads(given.line))
        header, _ = parse(registry.format_of("cef").line(given))
        yield [
            name,
            f"{ocsf['class_uid']} {ocsf['activity_name']}"
            + (f", {ocsf['status']}" if "status" in ocsf else ""),
            f"`{ecs['action']}`",
            f"{ecs['kind']}, {'+'.join(ecs['category'])}, {'+'.join(ecs['type'])}"
            + (f", {ecs['outcome']}" if "outcome" in ecs else ""),
            ocsf["severity"],
            f"{otel['severityNumber'][0]} {otel['severityText'][0]}",
            header[6],
        ]


def table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page() -> str:
    return (
        TEMPLATE.read_text()
        .replace("{types}", table(TYPES, list(types())))
        .replace(
            "{fields}",
            table(["native", *COLUMNS.values()], [[f"`{path}`", *cells] for path, cells in rows()]),
        )
    )


if __name__ == "__main__":
    TARGET.write_text(page())

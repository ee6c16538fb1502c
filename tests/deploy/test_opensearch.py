"""The index template has every field of the event, in a type that takes what the schema allows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.deploy.conftest import DEPLOY
from tests.outputs.batches import golden_lines

SCHEMA = json.loads((DEPLOY.parent / "docs" / "schema" / "castoff.event.1.schema.json").read_text())
TEMPLATE = json.loads((DEPLOY / "opensearch" / "index-template.json").read_text())
MAPPINGS = TEMPLATE["template"]["mappings"]
TYPES = {"string": "keyword", "integer": "long", "number": "double", "boolean": "boolean"}
NOT_SEARCHED = {
    "alert.facts",
    "candidates",
    "evidence",
    "orchestrator.requested_by.chain",
    "request.ref",
}
"""Kept in the document and not indexed: they are read with the event that they belong to."""


def fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and type of each field that the schema allows; lists are as their elements."""
    name = node.get("$ref", "").rpartition("/")[2]
    if name in {"time", "time_or_null"}:
        yield path, "date_nanos"
    elif name:
        yield from fields(SCHEMA["$defs"][name], path)
    elif "oneOf" in node:
        yield from fields(next(one for one in node["oneOf"] if one.get("type") != "null"), path)
    elif path == "container.labels":
        yield path, "flat_object"
    elif path in NOT_SEARCHED:
        yield path, "object"
    elif "properties" in node:
        for key, inner in node["properties"].items():
            yield from fields(inner, f"{path}.{key}".lstrip("."))
    elif "items" in node:
        yield from fields(node["items"], path)
    else:
        kinds = node.get("type", "string")
        kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
        yield path, TYPES[kind]


def mapped(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    if "properties" not in node:
        yield path, node["type"]
    for key, inner in node.get("properties", {}).items():
        yield from mapped(inner, f"{path}.{key}".lstrip("."))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and path != "container.labels" and path not in NOT_SEARCHED:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and path not in NOT_SEARCHED:
        for inner in value:
            yield from leaves(inner, path)
    elif value is not None:
        yield path, value


def test_the_mapping_is_the_schema() -> None:
    assert dict(mapped(MAPPINGS)) == dict(fields(SCHEMA))


def test_fields_beyond_the_schema_add_nothing_to_the_mapping() -> None:
    assert MAPPINGS["dynamic"] is False


def test_every_golden_event_fits() -> None:
    known = dict(mapped(MAPPINGS))
    python: dict[str, Any] = {
        "long": int,
        "double": (int, float),
        "boolean": bool,
        "flat_object": dict,
    }
    for line in golden_lines():
        for path, value in leaves(json.loads(line)):
            assert isinstance(value, python.get(known[path], (str, list))), path


def test_a_keyword_that_is_too_long_for_the_index_is_kept_and_does_not_refuse_the_event() -> None:
    def keywords(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if node.get("type") == "keyword":
            yield node
        for inner in node.get("properties", {}).values():
            yield from keywords(inner)

    # Lucene refuses terms of more than 32,766 bytes, and a character takes up to four.
    assert {one["ignore_above"] for one in keywords(MAPPINGS)} == {32_766 // 4}

"""Records are OTLP in JSON, and attributes have the names of the conventions or castoff's own."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import opentelemetry.semconv._incubating.attributes as incubating
import opentelemetry.semconv.attributes as stable
import pytest
from opentelemetry.semconv.schemas import Schemas

from sensor.outputs.delivery import Record
from sensor.outputs.formats import otel
from sensor.outputs.formats.reading import read
from tests.outputs.formats.records import RECORDS, record
from tests.outputs.sample_events import EVENTS


def conventions() -> set[str]:
    names = set()
    for package in (stable, incubating):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            found = vars(importlib.import_module(module.name))
            names |= {value for value in found.values() if isinstance(value, str)}
    return names


NAMES = conventions()
LABEL = "container.label."


def attributes(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    names = [pair["key"] for pair in pairs]
    assert len(names) == len(set(names))
    return {pair["key"]: pair["value"] for pair in pairs}


def values(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield value
    inner = value.get("arrayValue", {}).get("values", [])
    for one in inner:
        yield from values(one)
    for pair in value.get("kvlistValue", {}).get("values", []):
        yield from values(pair["value"])


def parts(given: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    encoded = json.loads(otel.FORMAT.line(given))
    (group,) = encoded["resourceLogs"]
    (scope,) = group["scopeLogs"]
    (log,) = scope["logRecords"]
    return attributes(group["resource"]["attributes"]), log


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_every_record_is_otlp(given: Record) -> None:
    resource, log = parts(given)
    encoded = attributes(log["attributes"])
    assert int(log["timeUnixNano"]) == given.wall
    assert int(log["observedTimeUnixNano"]) >= given.wall
    assert type(log["severityNumber"]) is int
    assert log["eventName"] == given.type
    assert log["body"]["stringValue"].isprintable()
    assert encoded["log.record.uid"] == {"stringValue": given.id}
    for name, value in [*resource.items(), *encoded.items()]:
        assert name in NAMES or name.startswith(("castoff.", LABEL)), name
        for one in values(value):
            ((kind, content),) = one.items()
            match kind:
                case "intValue":
                    assert isinstance(content, str)
                    assert -(2**63) <= int(content) < 2**63
                case "stringValue":
                    content.encode()
                case "boolValue":
                    assert isinstance(content, bool)
                case "doubleValue":
                    assert isinstance(content, float)
                case _:
                    assert kind in {"arrayValue", "kvlistValue"}


def test_the_conventions_are_the_ones_that_were_checked() -> None:
    assert list(Schemas)[-1].value == otel.SCHEMA_URL
    assert LABEL.removesuffix(".") in NAMES


def test_the_container_is_on_the_record_and_the_host_is_the_resource() -> None:
    resource, log = parts(record(EVENTS["start"]))
    encoded = attributes(log["attributes"])
    assert resource["host.name"] == {"stringValue": "node-7"}
    assert not any(name.startswith("container.") for name in resource)
    assert encoded["container.image.name"] == {"stringValue": "nginx"}
    assert encoded["container.image.tags"] == {"arrayValue": {"values": [{"stringValue": "1.25"}]}}
    assert encoded["container.label.com.example.team"] == {"stringValue": "shop"}
    assert encoded["castoff.start.kind"] == {"stringValue": "reactivation"}
    assert encoded["user.name"] == {"stringValue": "alice"}


def test_a_pods_names_are_those_of_kubernetes() -> None:
    _, log = parts(record(EVENTS["start_pod"]))
    encoded = attributes(log["attributes"])
    assert encoded["k8s.pod.name"] == {"stringValue": "web-0"}
    assert encoded["k8s.container.restart_count"] == {"intValue": "4"}


def test_a_request_that_is_written_piece_by_piece_is_the_documents_together() -> None:
    writer = otel.RequestWriter()
    given = list(RECORDS.values())
    body = b"".join(writer.add(read(one)) for one in given) + writer.end()
    groups = json.loads(body)["resourceLogs"]
    encoded = [
        {**group, "scopeLogs": [{**scope, "logRecords": [log]}]}
        for group in groups
        for scope in group["scopeLogs"]
        for log in scope["logRecords"]
    ]
    alone: list[Any] = [otel.document(one)["resourceLogs"] for one in given]
    assert [[one] for one in encoded] == alone
    assert 1 < len(groups) < len(given)
    assert json.loads(otel.RequestWriter().end()) == {"resourceLogs": []}


@pytest.mark.parametrize(
    ("name", "severity"), [("start_bare", 9), ("stop", 13), ("gap", 14), ("alert", 17)]
)
def test_each_event_has_its_severity_number(name: str, severity: int) -> None:
    _, log = parts(record(EVENTS[name]))
    assert log["severityNumber"] == severity

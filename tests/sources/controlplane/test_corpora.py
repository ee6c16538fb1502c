"""Every record of the corpora reads as a careful person would read it (``expected.jsonl``)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from sensor.model.control_plane import ControlRecord, Owner, RequestContainer
from sensor.sources.controlplane.reader import Reader, read
from sensor.sources.controlplane.times import wall

CORPORA = Path(__file__).parents[2] / "corpora" / "controlplane"
FOLDERS = ("aws", "azure", "docker", "gcp", "kubernetes")

Expected = dict[str, Any]
Difference = tuple[str, object, object]


def expected(folder: str) -> list[Expected]:
    lines = (CORPORA / folder / "expected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@lru_cache
def found(path: Path) -> dict[tuple[int, int], ControlRecord]:
    reported = {}
    for record in read([path.read_bytes()], Reader(path.name, whole=True)):
        assert isinstance(record, ControlRecord), record
        assert record.request.ref is not None
        reported[record.request.ref.line, record.request.ref.item] = record
    return reported


def cases() -> Iterator[Any]:
    for folder in FOLDERS:
        for one in expected(folder):
            name = f"{folder}/{one['file']}:{one['line']}.{one['item']}"
            yield pytest.param(folder, one, id=name)


@pytest.mark.parametrize(("folder", "wanted"), list(cases()))
def test_a_record_reads_as_expected(folder: str, wanted: Expected) -> None:
    record = found(CORPORA / folder / wanted["file"]).get((wanted["line"], wanted["item"]))
    if record is None:
        # Text of another program between the records: it is counted, and no record.
        assert wanted["action"] is None
        return
    assert differences(record, wanted) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_read_that_is_not_expected(folder: str) -> None:
    wanted = {(one["file"], one["line"], one["item"]) for one in expected(folder)}
    reported = {
        (path.name, *place)
        for path in (CORPORA / folder).iterdir()
        if path.is_file() and path.name != "expected.jsonl" and path.suffix != ".gz"
        for place in found(path)
    }
    assert reported <= wanted


def test_a_compressed_file_reads_as_the_plain_one() -> None:
    (plain,) = (CORPORA / "aws").glob("*.json")
    packed = plain.with_suffix(".json.gz").read_bytes()
    assert gzip.decompress(packed) == plain.read_bytes()
    reported = list(read([packed], Reader(plain.name, whole=True)))
    assert reported == list(found(plain).values())


def differences(record: ControlRecord, wanted: Expected) -> list[Difference]:
    request = record.request
    reported = {
        "start": record.standing,
        "effect": request.effect,
        "chain": request.chain,
        "action": request.action,
        "outcome": request.outcome,
        "time": request.requested,
        "source_address": request.address,
        "source_addresses": list(request.addresses),
        "user_agent": request.user_agent,
        "request_id": request.id,
        "containers": [named(container) for container in request.containers],
    }
    hoped = {key: wanted[key] for key in reported} | {"time": wall(wanted["time"])}
    hoped["containers"] = [normal(container) for container in wanted["containers"]]
    wrong: list[Difference] = [
        (key, reported[key], hoped[key]) for key in reported if reported[key] != hoped[key]
    ]
    for key, value in (wanted["actor"] or {}).items():
        actual = getattr(request.actor, key, None)
        if (list(actual) if isinstance(actual, tuple) else actual) != value:
            wrong.append((f"actor.{key}", actual, value))
    if (wanted["actor"] is None) != (request.actor is None):
        wrong.append(("actor", request.actor, wanted["actor"]))
    wrong += workload(record, wanted["workload"])
    cluster = request.cluster
    names = (None,) if cluster is None else (cluster.name, cluster.id)
    if wanted["cluster"] is not None and wanted["cluster"] not in names:
        wrong.append(("cluster", cluster, wanted["cluster"]))
    return wrong


def workload(record: ControlRecord, wanted: Expected | None) -> list[Difference]:
    reported = record.request.workload
    if wanted is None or reported is None:
        return [] if wanted is None and reported is None else [("workload", reported, wanted)]
    wrong: list[Difference] = []
    for key, value in wanted.items():
        if key == "cluster":
            continue  # stands in request.cluster
        actual = getattr(reported, key)
        if isinstance(actual, Owner):
            actual = {"kind": actual.kind, "name": actual.name, "uid": actual.uid}
        if actual != value:
            wrong.append((f"workload.{key}", actual, value))
    return wrong


def named(container: RequestContainer) -> Expected:
    keys = ("name", "image", "id", "role", "arn", "started", "restart_count")
    reported = {key: getattr(container, key) for key in keys}
    return {key: value for key, value in reported.items() if value is not None}


def normal(container: Expected) -> Expected:
    reported = dict(container)
    if "started" in reported:
        reported["started"] = wall(reported["started"])
    if "restart_count" in reported:
        reported["restart_count"] = int(reported["restart_count"])
    return reported


def test_the_comparison_would_find_a_mistake() -> None:
    (one,) = [
        case for case in expected("aws") if case["line"] == 1 and "trail.jsonl" in case["file"]
    ]
    record = found(CORPORA / "aws" / "cloudtrail.jsonl")[1, 0]
    assert differences(record, one) == []
    assert differences(record, one | {"effect": "stop"})
    assert differences(record, one | {"actor": one["actor"] | {"name": "bob"}})

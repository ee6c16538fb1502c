"""The questions about control planes, asked of a cluster's audit log and its node's events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import ControlRecord
from sensor.schema.document import encode_line
from sensor.sources.controlplane.reader import Reader, read
from tests.deploy.conftest import ClickHouse
from tests.outputs.batches import golden_lines

CORPORA = Path(__file__).parents[1] / "corpora"
CLUSTER = CORPORA / "kubernetes"
INSIDE = CORPORA / "controlplane" / "kubernetes" / "recorded-1.36b.jsonl"
GOLDEN = [json.loads(line)["id"] for line in golden_lines()]
PEOPLE = ("alice", "bob", "system:serviceaccount:infra:ci-bot")


def events(path: Path) -> list[bytes]:
    made = RequestEvents()
    told: list[bytes] = []
    for record in read([path.read_bytes()], Reader(path.name)):
        if isinstance(record, ControlRecord):
            told += [encode_line(event) for event in made.feed(record, 1 << 61)]
    return told + [encode_line(event) for event in made.close(1 << 61)]


@pytest.fixture(scope="module")
def both(clickhouse: ClickHouse) -> Iterator[ClickHouse]:
    for path in (CLUSTER / "audit.jsonl", INSIDE):
        clickhouse.insert(b"".join(events(path)))
    clickhouse.insert((CLUSTER / "castoff.jsonl").read_bytes())
    yield clickhouse
    kept = ", ".join(repr(one) for one in GOLDEN)
    clickhouse.run(f"DELETE FROM castoff.events WHERE id NOT IN ({kept})")


def truth() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CLUSTER / "truth.jsonl").read_text().splitlines()]


def seen() -> set[str]:
    """Return the containers whose starts the node reported with their pods."""
    told = [json.loads(line) for line in (CLUSTER / "castoff.jsonl").read_text().splitlines()]
    return {
        one["container"]["id"]
        for one in told
        if one["type"] == "container.start" and one["orchestrator"] is not None
    }


def test_starts_are_counted_by_who_asked_the_cluster_for_them(both: ClickHouse) -> None:
    wanted: Counter[str] = Counter()
    for one in truth():
        asked = one["asked"]
        if one["containerID"] not in seen() or one.get("restartCount") or not one.get("pod"):
            continue
        if one.get("inApi") is False or one.get("containerType") == "ephemeral":
            continue
        if asked["user"] is not None:
            wanted[asked["impersonated_by"] or asked["user"]] += 1
    rows = both.rows(
        "SELECT requester, sum(starts) AS n FROM castoff.starts_by_requester GROUP BY requester"
    )
    found = {row["requester"]: int(row["n"]) for row in rows if row["requester"] in PEOPLE}
    assert set(found) == set(PEOPLE)
    # A debug container and one that was put into a pod count for the pod's own requester here.
    for name in PEOPLE:
        assert 0 <= found[name] - wanted[name] <= 3


def test_a_start_that_no_request_explains_is_listed(both: ClickHouse) -> None:
    rows = both.rows("SELECT DISTINCT pod FROM castoff.starts_without_request")
    explained = {row["pod"] for row in both.rows("SELECT pod FROM castoff.explanations")}
    assert not {row["pod"] for row in rows} & explained


def test_a_request_that_was_refused_is_a_request_without_a_start(both: ClickHouse) -> None:
    rows = both.rows(
        "SELECT action, outcome FROM castoff.requests_without_start WHERE outcome = 'failure'"
    )
    assert "create jobs" in {row["action"] for row in rows}
    started = {one["uid"] for one in truth() if one.get("uid") and one["containerID"] in seen()}
    listed = both.rows("SELECT uid FROM castoff.requests_without_start WHERE outcome = 'success'")
    assert listed
    assert not started & {row["uid"] for row in listed}


def test_pods_that_people_made_by_hand_are_listed(both: ClickHouse) -> None:
    names = {row["pod"] for row in both.rows("SELECT pod FROM castoff.pods_by_hand")}
    assert {"crash", "two-in-one", "hungry"} <= names
    assert not [name for name in names if name.startswith("web-")]


def test_a_request_from_inside_a_pod_shows_the_start_that_it_made(both: ClickHouse) -> None:
    rows = both.rows("SELECT * FROM castoff.requests_from_containers WHERE name = 'from-inside'")
    assert [(row["actor"], row["started_pod"]) for row in rows] == [
        ("system:serviceaccount:shop:ci", "from-inside")
    ]


def test_a_control_plane_that_sends_nothing_is_listed(both: ClickHouse) -> None:
    rows = both.rows("SELECT source FROM castoff.control_planes_silent(minutes = 0)")
    assert "kubernetes" in {row["source"] for row in rows}
    assert both.rows("SELECT source FROM castoff.control_planes_silent(minutes = 4000000000)") == []


def test_no_request_counts_as_a_start(both: ClickHouse) -> None:
    rows = both.rows("SELECT DISTINCT type FROM castoff.starts")
    assert [row["type"] for row in rows] == ["container.start"]

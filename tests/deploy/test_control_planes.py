"""The questions about control planes, asked of a cluster's audit log and its node's events."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import ControlRecord
from sensor.schema.document import encode_line
from sensor.sources.controlplane.reader import Reader, read
from tests.deploy.conftest import DEPLOY, ClickHouse
from tests.outputs.batches import golden_lines

CORPORA = Path(__file__).parents[1] / "corpora"
CLUSTER = CORPORA / "kubernetes"
INSIDE = CORPORA / "controlplane" / "kubernetes" / "recorded-1.36b.jsonl"
GOLDEN = [json.loads(line)["id"] for line in golden_lines()]
PEOPLE = ("alice", "bob", "system:serviceaccount:infra:ci-bot")


def events(path: Path) -> list[bytes]:
    made = RequestEvents()
    emitted: list[bytes] = []
    for record in read([path.read_bytes()], Reader(path.name)):
        if isinstance(record, ControlRecord):
            emitted += [encode_line(event) for event in made.feed(record, 1 << 61)]
    return emitted + [encode_line(event) for event in made.close(1 << 61)]


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
    emitted = [json.loads(line) for line in (CLUSTER / "castoff.jsonl").read_text().splitlines()]
    return {
        one["container"]["id"]
        for one in emitted
        if one["type"] == "container.start" and one["orchestrator"] is not None
    }


def test_starts_are_counted_by_who_asked_the_cluster_for_them(both: ClickHouse) -> None:
    wanted: Counter[str] = Counter()
    for one in truth():
        asked = one["asked"]
        if one["containerID"] not in seen() or one.get("restartCount") or not one.get("pod"):
            continue
        if one.get("inApi") is False:
            continue
        if asked["user"] is not None:
            wanted[asked["impersonated_by"] or asked["user"]] += 1
    rows = both.rows(
        "SELECT requester, sum(starts) AS n FROM castoff.starts_by_requester GROUP BY requester"
    )
    found = {row["requester"]: int(row["n"]) for row in rows if row["requester"] in PEOPLE}
    assert set(found) == set(PEOPLE)
    # The recorded agent took a forged pod for one of bob's; agents of today do not.
    wanted["bob"] += sum(one["scenario"] == "forged-pod" for one in truth())
    assert found == {name: wanted[name] for name in PEOPLE}


def test_a_debug_container_is_theirs_who_added_it(both: ClickHouse) -> None:
    (debug,) = [one for one in truth() if one.get("containerType") == "ephemeral"]
    rows = both.rows(
        "SELECT requester, effect, explained FROM castoff.pod_starts_explained "
        f"WHERE container_id = '{debug['containerID']}'"
    )
    assert rows == [{"requester": "bob", "effect": "ephemeral", "explained": 1}]
    (pod,) = both.rows(f"SELECT * FROM castoff.explanations WHERE pod_uid = '{debug['uid']}'")
    assert pod["requested_effect"] != "ephemeral"


def test_a_container_that_was_put_into_a_pod_by_hand_is_listed(both: ClickHouse) -> None:
    (put,) = [one for one in truth() if one["scenario"] == "cri-inject"]
    rows = both.rows("SELECT container_id, by_hand FROM castoff.starts_without_request")
    assert {"container_id": put["containerID"], "by_hand": 1} in rows
    known = {one["containerID"] for one in truth() if one.get("inApi") is not False}
    asked = {one["containerID"] for one in truth() if one["asked"]["user"] in PEOPLE}
    assert not {row["container_id"] for row in rows} & known & asked


def explained(pod: str, start: str | None, who: str, effect: str, seen_at: str) -> dict[str, Any]:
    (line,) = [
        json.loads(one) for one in events(CLUSTER / "audit.jsonl")[-1:] if b"start_explained" in one
    ]
    line |= {"id": f"{pod}-{who}", "observed": seen_at, "start_id": start}
    line["orchestrator"] |= {"pod_uid": pod, "pod": pod, "owner": None}
    line["orchestrator"]["requested_by"] |= {"actor": who, "kind": "user", "effect": effect}
    return dict(line)


def test_an_explanation_of_a_debug_container_is_not_its_pods(both: ClickHouse) -> None:
    """The node explains each start; the debug container's came last."""
    first = explained("pod-x", "start-1", "alice", "start", "2026-11-29T10:00:00.000000000Z")
    debug = explained("pod-x", "start-2", "mallory", "ephemeral", "2026-11-29T11:00:00.000000000Z")
    both.insert(b"\n".join(json.dumps(one).encode() for one in (first, debug)))
    rows = both.rows("SELECT requester FROM castoff.pods_by_hand WHERE pod = 'pod-x'")
    assert rows == [{"requester": "alice"}]


def test_a_record_of_the_future_does_not_hide_that_a_control_plane_is_silent(
    both: ClickHouse,
) -> None:
    (line,) = [one for one in events(CLUSTER / "audit.jsonl")[:1] if b"start_requested" in one]
    ahead = json.loads(line)
    ahead |= {"id": "ahead", "time": "2100-01-01T00:00:00.000000000Z"}
    ahead["observed"] = "2026-11-29T10:00:00.000000000Z"
    ahead["request"]["cluster"] = {
        "name": "far",
        "id": "far",
        "provider": None,
        "account": None,
        "region": None,
    }
    both.insert(json.dumps(ahead).encode())
    rows = both.rows("SELECT cluster FROM castoff.control_planes_silent(minutes = 0)")
    assert "far" in {row["cluster"] for row in rows}


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


PANELS = [
    panel
    for panel in json.loads((DEPLOY / "grafana" / "castoff.json").read_text())["panels"]
    if any("castoff." in target.get("rawSql", "") for target in panel.get("targets", ()))
]
ASKED = ("requester", "without_request", "without_start", "by_hand", "from_containers", "planes_")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(panel["targets"][0]["rawSql"], id=panel["title"])
        for panel in PANELS
        if any(word in panel["targets"][0]["rawSql"] for word in ASKED)
    ],
)
def test_the_dashboards_questions_about_control_planes_run(both: ClickHouse, query: str) -> None:
    asked = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime('2000-01-01 00:00:00')", query)
    found = both.rows(asked.replace("minutes = 60", "minutes = 0"))
    assert found or "without_request" in query


def named(node: Any) -> Iterator[str]:
    """Yield the fields that a query names."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "field":
                yield value
            elif key in {"term", "terms", "range"} and isinstance(value, dict):
                yield from (name for name in value if "." in name or name in {"type", "time"})
            elif key == "sort":
                yield from (name for one in value for name in one)
            yield from named(value)
    elif isinstance(node, list):
        for item in node:
            yield from named(item)


def test_the_queries_for_opensearch_name_fields_of_the_mapping() -> None:
    template = json.loads((DEPLOY / "opensearch" / "index-template.json").read_text())
    queries = json.loads((DEPLOY / "opensearch" / "control-planes.json").read_text())
    fields = set(named(queries))
    assert len(fields) > 8
    for field in fields:
        node = template["template"]["mappings"]
        for part in field.split("."):
            node = node["properties"][part]
        assert node.get("type") in {"keyword", "long", "date_nanos"}, field

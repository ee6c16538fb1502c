"""The dashboard asks only for metrics that the agent has, and its SQL runs on the schema."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sensor.api import metrics
from tests.api.test_status import STATUS
from tests.deploy.conftest import DEPLOY, ClickHouse

DASHBOARD = json.loads((DEPLOY / "grafana" / "castoff.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
METRIC = re.compile(r"\b((?:castoff|process)_\w+)\b")
CONTROL_PLANES = re.compile(
    r"castoff\.(starts_by_requester|starts_without_request|requests_|pods_by_hand|control_planes_)"
)
JUDGED = re.compile(
    r"castoff\.(events_missing|heads_backwards|chains_broken|logs_of_hosts|alerts|incidents)"
    r"|type = 'alert'"
)
LABELS = re.compile(r"by \(([^)]*)\)")


def targets(kind: str) -> list[Any]:
    return [
        pytest.param(target, id=panel["title"])
        for panel in PANELS
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


def exposed() -> dict[str, set[str]]:
    """Return the labels of each sample that the agent exposes, by name."""
    text = metrics.exposition(STATUS, [("container.start", 1)], {}).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # the library has no types here
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("target", targets("prometheus"))
def test_every_metric_is_one_that_the_agent_has(target: dict[str, Any]) -> None:
    known = exposed()
    named = set(METRIC.findall(target["expr"]))
    assert named
    assert named <= set(known)
    grouped = {
        label.strip() for labels in LABELS.findall(target["expr"]) for label in labels.split(",")
    }
    grouped |= set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert grouped <= {"instance", *(label for name in named for label in known[name])}


@pytest.mark.parametrize("target", targets("grafana-clickhouse-datasource"))
def test_every_query_runs_and_finds_something(
    target: dict[str, Any], clickhouse: ClickHouse
) -> None:
    query = re.sub(
        r"\$__timeFilter\((\w+)\)",
        r"\1 >= toDateTime('2000-01-01 00:00:00') AND \1 <= toDateTime('2100-01-01 00:00:00')",
        target["rawSql"],
    )
    query = re.sub(
        r"\$__timeInterval\((\w+)\)",
        r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)",
        query,
    )
    # Golden events may have been recorded minutes ago: every host was silent since its last one.
    query = query.replace("hosts_silent(minutes = 150)", "hosts_silent(minutes = 0)")
    assert "$__" not in query
    found = clickhouse.rows(query)
    # The golden events have no control plane, no alert and no log: test_control_planes.py asks with
    # some, and so does test_chains.py.
    assert found or CONTROL_PLANES.search(query) or JUDGED.search(query)


def test_panels_do_not_overlap_and_have_names_and_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert all(panel["description"] for panel in PANELS)


def test_data_sources_are_those_that_are_chosen_on_the_dashboard() -> None:
    chosen = {one["name"]: one["query"] for one in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        for asked in (panel["datasource"], *(one["datasource"] for one in panel["targets"])):
            assert chosen[asked["uid"].strip("${}")] == asked["type"]

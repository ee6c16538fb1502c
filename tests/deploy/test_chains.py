"""The questions about the chain, executed in ClickHouse: holes, breaks, heads that went backwards.

The events are a real log's, as an output ships them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import DEPLOY, ClickHouse
from tests.deploy.test_control_planes import named
from tests.deploy.test_grafana import JUDGED
from tests.evidence.logs import make_log, shipped
from tests.report.week import Week

COUNT = 40
Lines = list[bytes]


@pytest.fixture
def insert(clickhouse: ClickHouse) -> Iterator[Callable[[Lines], str]]:
    """Insert the events of a log, and take them out again; returns the log's id."""
    ids: list[str] = []

    def put(lines: Lines) -> str:
        log_id = str(json.loads(lines[0])["log"]["id"])
        ids.append(log_id)
        clickhouse.insert(b"".join(lines))
        return log_id

    yield put
    for log_id in ids:
        clickhouse.run(f"DELETE FROM castoff.events WHERE log_id = '{log_id}'")


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    return shipped(make_log(tmp_path, COUNT))


def changed(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(line)
    change(document)
    return json.dumps(document).encode() + b"\n"


def test_a_whole_log_has_no_holes_and_no_head_that_went_backwards(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    log = insert([*lines, *lines[:7]])
    assert not clickhouse.rows(f"SELECT * FROM castoff.events_missing WHERE log = '{log}'")
    assert not clickhouse.rows(f"SELECT * FROM castoff.heads_backwards WHERE log = '{log}'")
    rows = clickhouse.rows(f"SELECT * FROM castoff.logs_of_hosts WHERE has(ids, '{log}')")
    assert [int(row["newest"]) for row in rows] == [COUNT]


def test_each_hole_is_named_with_its_host(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    log = insert([*lines[:4], *lines[7:20], *lines[21:]])
    rows = clickhouse.rows(f"SELECT * FROM castoff.events_missing WHERE log = '{log}'")
    assert [(int(r["first"]), int(r["last"]), int(r["events"])) for r in rows] == [
        (5, 7, 3),
        (21, 21, 1),
    ]
    assert {row["name"] for row in rows} == {json.loads(lines[0])["host"]["name"]}


def test_numbers_that_the_node_gave_up_are_not_a_hole_but_a_break(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    def give_up(document: dict[str, Any]) -> None:
        document["sensor"]["log"] |= {"sequence": 28, "skipped": 5, "broken": "lost"}

    log = insert([*lines[:23], *lines[28:29], changed(lines[29], give_up), *lines[30:]])
    assert not clickhouse.rows(f"SELECT * FROM castoff.events_missing WHERE log = '{log}'")
    (row,) = clickhouse.rows(f"SELECT * FROM castoff.chains_broken WHERE log = '{log}'")
    assert (row["reason"], int(row["skipped"])) == ("lost", 5)


def test_a_head_that_went_backwards_and_one_with_two_digests_are_named(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    def back(document: dict[str, Any]) -> None:
        document["sensor"]["log"] |= {"sequence": 9, "digest": "00" * 32}

    def beyond(document: dict[str, Any]) -> None:
        document["sensor"]["log"] |= {"sequence": 77}

    log = insert([*lines[:29], changed(lines[29], back), *lines[30:39], changed(lines[39], beyond)])
    rows = clickhouse.rows(
        f"SELECT * FROM castoff.heads_backwards WHERE log = '{log}' ORDER BY sequence, time"
    )
    assert [row["finding"] for row in rows] == [
        "two digests at one number",
        "two digests at one number",
        "the head is beyond its own event",
    ]


def test_the_population_of_a_period_has_a_digest_that_anyone_can_compute(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    insert(lines)
    starts = [one for one in map(json.loads, lines) if one["type"] == "container.start"]
    since, until = starts[3]["time"], starts[9]["time"]
    ids = sorted(
        row["id"]
        for row in clickhouse.rows(
            f"SELECT id FROM castoff.starts WHERE time >= parseDateTime64BestEffort('{since}', 9)"
            f" AND time < parseDateTime64BestEffort('{until}', 9)"
        )
    )
    assert {one["id"] for one in starts[3:9]} <= set(ids)
    query = (
        "SELECT * FROM castoff.population"
        f"(since = '{since[:-1].replace('T', ' ')}', until = '{until[:-1].replace('T', ' ')}')"
    )
    (row,) = clickhouse.rows(query)
    assert int(row["starts"]) == len(ids)
    assert row["digest"] == hashlib.sha256("\n".join(ids).encode()).hexdigest()


def test_the_same_questions_for_opensearch_name_fields_of_the_mapping() -> None:
    template = json.loads((DEPLOY / "opensearch" / "index-template.json").read_text())
    queries = json.loads((DEPLOY / "opensearch" / "chains.json").read_text())
    assert set(queries) == {
        "events missing",
        "chains broken",
        "two digests at one number",
        "heads backwards",
        "hosts with several logs",
    }
    fields = set(named(queries))
    assert {"log.sequence", "sensor.log.digest", "sensor.log.skipped"} <= fields
    for field in fields:
        node = template["template"]["mappings"]
        for part in field.split("."):
            node = node["properties"][part]


def test_each_panel_about_alerts_and_chains_finds_what_it_is_for(
    lines: Lines, insert: Callable[[Lines], str], clickhouse: ClickHouse
) -> None:
    def back(document: dict[str, Any]) -> None:
        document["sensor"]["log"] |= {"sequence": 9, "digest": "00" * 32, "broken": "anew"}

    alerts = [one for one in Week(1).events() if one["type"] == "alert"]
    log_id = json.loads(lines[0])["log"]["id"]
    for number, one in enumerate(alerts, 900):
        # Of the same log, so that they are taken out again with it.
        one["log"] = {"id": log_id, "sequence": number}
    reported = [json.dumps(one).encode() + b"\n" for one in alerts]
    insert([*lines[:20], *lines[24:29], changed(lines[29], back), *lines[30:], *reported])
    dashboard = json.loads((DEPLOY / "grafana" / "castoff.json").read_text())
    panels = [
        panel
        for panel in dashboard["panels"]
        if panel["type"] != "row" and JUDGED.search(panel["targets"][0].get("rawSql", ""))
    ]
    assert len(panels) == 8
    for panel in panels:
        query = panel["targets"][0]["rawSql"]
        query = re.sub(r"\$__timeFilter\(\w+\)", "1", query)
        query = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfHour(\1)", query)
        assert clickhouse.rows(query), panel["title"]

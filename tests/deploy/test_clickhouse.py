"""The ClickHouse schema, executed: what is inserted is found again, once, in the right columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sensor.outputs.http.output import Plain
from sensor.outputs.http.settings import Body
from sensor.outputs.lines import lines_of
from tests.deploy.conftest import DEPLOY, SCHEMA, ClickHouse, statements
from tests.outputs.batches import NATIVE, batch_of, golden_lines, golden_records

JSON_SCHEMA = DEPLOY.parent / "docs" / "schema" / "castoff.event.1.schema.json"
EXTRACTED = re.compile(
    r"^    JSONExtract(?:String)?\(line, ((?:'\w+'(?:, )?)+?)(?:, '(?:[A-Z][^']*)')?\) AS (\w+),$",
    re.MULTILINE,
)
PATHS = {
    column: [part.strip("' ") for part in path.split(",")]
    for path, column in EXTRACTED.findall(SCHEMA.read_text())
}
GOLDEN = [json.loads(line) for line in golden_lines()]
STARTS = [
    one for one in GOLDEN if one["type"] == "container.start" and not one["container"]["sandbox"]
]
IN_GOLDEN = f"event != '' AND id IN ({', '.join(repr(one['id']) for one in GOLDEN)})"


def at(document: dict[str, Any], path: list[str]) -> Any:
    value: Any = document
    for key in path:
        value = None if value is None else value[key]
    return value


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return value


@pytest.mark.parametrize("column", list(PATHS))
def test_each_column_has_what_the_event_says(column: str, clickhouse: ClickHouse) -> None:
    found = {
        row["id"]: row["value"]
        for row in clickhouse.rows(
            f"SELECT id, {column} AS value FROM castoff.events FINAL WHERE {IN_GOLDEN}"
        )
    }
    for event in GOLDEN:
        expected = at(event, PATHS[column])
        if expected is None and isinstance(found[event["id"]], (list, dict)):
            expected = type(found[event["id"]])()
        stored = found[event["id"]]
        assert (int(stored) if isinstance(expected, int) else stored) == expected


def test_most_of_the_schema_is_in_columns_and_no_path_is_beyond_it() -> None:
    schema = json.loads(JSON_SCHEMA.read_text())
    assert len(PATHS) > 30
    for path in PATHS.values():
        node = schema
        for key in path:
            while "properties" not in node:
                reference = node.get("$ref") or node["oneOf"][0]["$ref"]
                node = schema["$defs"][reference.rpartition("/")[2]]
            node = node["properties"][key]


def test_times_are_kept_to_the_nanosecond(clickhouse: ClickHouse) -> None:
    rows = clickhouse.rows(
        f"SELECT id, toString(time) AS time, host FROM castoff.events FINAL WHERE {IN_GOLDEN}"
    )
    assert len(rows) == len(GOLDEN)
    times = {row["id"]: row["time"].replace(" ", "T") + "Z" for row in rows}
    assert times == {event["id"]: event["time"] for event in GOLDEN}
    assert {row["host"] for row in rows} == {event["host"]["machine_id"] for event in GOLDEN}


def test_a_gap_has_its_times(clickhouse: ClickHouse) -> None:
    rows = clickhouse.rows("SELECT id, toString(gap_since) AS since FROM castoff.events FINAL")
    since = {row["id"]: row["since"] for row in rows if row["since"] is not None}
    gaps = {one["id"]: one["gap"]["since"] for one in GOLDEN if one["gap"] is not None}
    assert {id_: text.replace(" ", "T") + "Z" for id_, text in since.items()} == gaps


def test_what_arrives_twice_is_found_once(clickhouse: ClickHouse) -> None:
    """The second delivery is the HTTP output's own body; it has the same events again."""
    before = clickhouse.rows("SELECT count() AS n FROM castoff.events FINAL")
    plain = Plain(content_type="application/x-ndjson", target="/", body=Body.LINES)
    body = plain.request(lines_of(batch_of(golden_records()), NATIVE)).body
    clickhouse.insert(body)
    clickhouse.run("OPTIMIZE TABLE castoff.events FINAL")
    assert clickhouse.rows("SELECT count() AS n FROM castoff.events FINAL") == before
    assert clickhouse.rows("SELECT count() AS n FROM castoff.events") == before


def test_an_event_without_its_nulls_gives_the_same_row(clickhouse: ClickHouse) -> None:
    """Some encodings on the way leave out what is null."""
    copies = [{**without_nulls(event), "id": f"{event['id']}-bare"} for event in GOLDEN]
    clickhouse.insert(b"\n".join(json.dumps(copy).encode() for copy in copies))
    columns = ", ".join(column for column in PATHS if column != "id")
    query = f"SELECT {columns} FROM castoff.events FINAL WHERE {{}} ORDER BY id"
    bare = clickhouse.rows(query.format("id LIKE '%-bare'"))
    assert bare == clickhouse.rows(query.format(IN_GOLDEN))
    assert len(bare) == len(GOLDEN)
    clickhouse.run("DELETE FROM castoff.events WHERE id LIKE '%-bare'")


@pytest.mark.parametrize("line", ['{"a": 1}', '{"id": "x-odd", "type": 7, "time": "never"}', "{}"])
def test_what_is_not_an_event_does_no_harm(line: str, clickhouse: ClickHouse) -> None:
    clickhouse.insert(line.encode())
    rows = clickhouse.rows("SELECT id FROM castoff.events FINAL WHERE id LIKE '%-odd'")
    assert len(rows) == ("-odd" in line)
    clickhouse.run("DELETE FROM castoff.events WHERE id LIKE '%-odd'")


def test_starts_are_counted_by_who_started_them(clickhouse: ClickHouse) -> None:
    counted: Counter[tuple[str | None, ...]] = Counter()
    for event in STARTS:
        user = at(event, ["initiator", "user"]) or {}
        counted[
            event["start"]["trigger"],
            user.get("auid_name")
            or user.get("name")
            or at(event, ["orchestrator", "requested_by"]),
            at(event, ["initiator", "process", "exe"]),
        ] += 1
    found: Counter[tuple[str | None, ...]] = Counter()
    # A row a day: the captures were recorded on several.
    for row in clickhouse.rows("SELECT * FROM castoff.starts_by_initiator"):
        found[row["trigger"], row["who"], row["program"]] += int(row["starts"])
    assert found == counted
    assert ("user_command", "alice", "docker") in found


def test_reactivations_are_listed_with_how_long_they_lay(clickhouse: ClickHouse) -> None:
    expected = [one for one in STARTS if one["start"]["kind"] == "reactivation"]
    rows = clickhouse.rows("SELECT * FROM castoff.reactivations")
    assert expected
    assert {row["id"]: row["dormant_seconds"] for row in rows} == {
        one["id"]: one["start"]["dormant_seconds"] for one in expected
    }


def test_starts_without_a_known_cause_are_listed(clickhouse: ClickHouse) -> None:
    expected = {
        one["id"]
        for one in STARTS
        if one["start"]["trigger"] == "unknown" or one["confidence"]["trigger"] == "none"
    }
    assert expected
    assert {
        row["id"] for row in clickhouse.rows("SELECT * FROM castoff.starts_without_cause")
    } == expected


def test_sensors_with_gaps_show_what_was_lost(clickhouse: ClickHouse) -> None:
    rows = clickhouse.rows("SELECT * FROM castoff.sensors_with_gaps")
    gaps = [one["gap"] for one in GOLDEN if one["gap"] is not None]
    assert sum(int(row["gaps"]) for row in rows) == len(gaps)
    assert sum(int(row["lost"] or 0) for row in rows) == sum(gap["lost"] or 0 for gap in gaps)


def test_hosts_that_went_silent_are_those_without_a_recent_event(clickhouse: ClickHouse) -> None:
    now = datetime.now(UTC)
    alive = next(one for one in GOLDEN if one["type"] == "sensor")
    for name, minutes in (("chatty", 30), ("quiet", 200)):
        time = (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        host = {**alive["host"], "name": name, "machine_id": name}
        sensor = {"action": "alive", "containers": 5, "probes_surviving": None}
        event = {**alive, "id": f"alive-{name}", "time": time, "host": host, "sensor": sensor}
        clickhouse.insert(json.dumps(event).encode())
    silent = {
        row["name"]: row
        for row in clickhouse.rows("SELECT * FROM castoff.hosts_silent(minutes = 150)")
    }
    assert "chatty" not in silent
    # ClickHouse counts the turns of the minute, and one may lie between the two.
    turns = int(datetime.now(UTC).timestamp() // 60 - now.timestamp() // 60)
    assert 200 <= int(silent["quiet"]["silent_minutes"]) <= 200 + turns
    assert silent["quiet"]["containers_then"] == 5
    clickhouse.run("DELETE FROM castoff.events WHERE id LIKE 'alive-%'")


def test_an_older_table_gets_every_column_that_it_may_lack() -> None:
    table = SCHEMA.read_text().partition("CREATE TABLE IF NOT EXISTS castoff.events\n(")[2]
    columns = re.findall(r"^    (\w+) +(\S.*?),?$", table.partition(")\nENGINE")[0], re.MULTILINE)
    wanted = {name: rest for name, rest in columns if name != "INDEX"}
    upgrade = (SCHEMA.parent / "upgrade.sql").read_text()
    added = dict(re.findall(r"ADD COLUMN IF NOT EXISTS (\w+) (.*?)[,;]$", upgrade, re.MULTILINE))
    of_the_first_version = {"id", "type", "time", "observed", "received", "host", "host_name"}
    assert set(added) == set(wanted) - of_the_first_version - {"boot_id", "event"}
    assert all(wanted[name].split() == rest.split() for name, rest in added.items())


COLUMN = re.compile(r"`(\w+)`")
QUESTION = re.compile(r"\bAS (?:WITH|SELECT)\b.*", re.DOTALL)


def renamed(text: str) -> list[str]:
    """Return the statements of a script for a database beside that of the other tests."""
    return statements(re.sub(r"\bcastoff\b(?!\.event/)", "older", text))


def test_a_table_of_the_first_version_is_upgraded_with_what_is_in_it(
    clickhouse: ClickHouse,
) -> None:
    first = Path(__file__).with_name("castoff-first.sql").read_text()
    upgrade = (SCHEMA.parent / "upgrade.sql").read_text()
    lines = golden_lines()
    try:
        for statement in renamed(first):
            clickhouse.run(statement)
        clickhouse.run("SYSTEM STOP TTL MERGES older.events")
        clickhouse.insert(b"".join(lines[:50]), "older")
        before = clickhouse.rows("SELECT id, container_id FROM older.events FINAL ORDER BY id")
        assert len(before) > 40
        # Twice: what was upgraded already stays as it is.
        for statement in (*renamed(upgrade), *renamed(SCHEMA.read_text())) * 2:
            clickhouse.run(statement)
        after = clickhouse.rows("SELECT id, container_id FROM older.events FINAL ORDER BY id")
        assert after == before
        clickhouse.insert(b"".join(lines), "older")
        for table in ("events", "starts", "alerts", "pod_starts", "heads_backwards"):
            (old,), (new,) = (
                clickhouse.rows(f"SELECT count() AS n FROM {name}.{table}")
                for name in ("older", "castoff")
            )
            if table != "events":
                assert old == new, table
        columns = [
            clickhouse.rows(
                "SELECT name, type FROM system.columns"
                f" WHERE database = '{name}' AND table = 'events' ORDER BY name"
            )
            for name in ("older", "castoff")
        ]
        assert columns[0] == columns[1]
        views = [
            {
                row["name"]: (set(COLUMN.findall(row["query"])), QUESTION.search(row["query"]))
                for row in clickhouse.rows(
                    "SELECT name, replaceAll(create_table_query, 'older.', 'castoff.') AS query"
                    f" FROM system.tables WHERE database = '{name}' AND engine LIKE '%View'"
                )
            }
            for name in ("older", "castoff")
        ]
        # Columns that were added stand behind the others; what a view asks is the same.
        assert {view: columns for view, (columns, _) in views[0].items()} == {
            view: columns for view, (columns, _) in views[1].items()
        }
        for view, (_, asked) in views[1].items():
            assert asked is not None
            found = views[0][view][1]
            assert found is not None
            assert found[0] == asked[0]
        newest = "SELECT id, workload, explanation, log_sequence FROM {}.events FINAL ORDER BY id"
        assert clickhouse.rows(newest.format("older")) == clickhouse.rows(newest.format("castoff"))
    finally:
        clickhouse.run("DROP DATABASE IF EXISTS older")

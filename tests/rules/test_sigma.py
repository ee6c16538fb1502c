"""The Sigma pack: converted for four back ends, run on SQLite, each rule true and false once."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.backends.elasticsearch import (  # type: ignore[attr-defined]  # they export by import alone
    ESQLBackend,
    LuceneBackend,
)
from sigma.backends.splunk import SplunkBackend  # type: ignore[attr-defined]  # they export by import alone
from sigma.backends.sqlite import sqliteBackend  # type: ignore[attr-defined]  # they export by import alone
from sigma.collection import SigmaCollection

from lab import sigma_pack
from sensor.schema.document import document
from sensor.schema.times import rfc3339
from tests.outputs.batches import golden_lines
from tests.outputs.sample_events import EVENTS

PACK = Path(__file__).parents[2] / "rules/sigma"
RULES = sorted(PACK.rglob("*.yml"))
SINGLE = [path for path in RULES if path.parent.name != "correlations"]
CORRELATIONS = [path for path in RULES if path.parent.name == "correlations"]
SCHEMA = json.loads(
    (PACK.parents[1] / "docs/schema/castoff.event.1.schema.json").read_text(encoding="utf-8")
)

Event = dict[str, Any]


def event(name: str, **changes: object) -> Event:
    """Return a sample event with some fields changed; ``__`` in a name leads inside."""
    made: Event = json.loads(json.dumps(document(EVENTS[name])))
    if name == "start":
        quiet = {"privileged": False, "capabilities": [], "host_namespaces": [], "mounts": [],
                 "seccomp": "filtered"}  # fmt: skip
        made["container"]["security"] |= quiet
        made["container"] |= {"sandbox": False, "oci_runtime_path": "/usr/bin/runc"}
        made["start"] |= {"kind": "first", "trigger": "orchestrator", "dormant_seconds": None}
        made["verdict"] = None
    for path, value in changes.items():
        block = made
        *inside, last = path.split("__")
        for key in inside:
            block[key] = block.get(key) or {}
            block = block[key]
        block[last] = value
    return made


def mounted(source: str) -> list[Event]:
    return [{"source": "/srv/data", "destination": "/data", "writable": True},
            {"source": source, "destination": "/x", "writable": True}]  # fmt: skip


EXAMPLES: dict[str, tuple[Event, Event]] = {
    "reactivation": (event("start", start__kind="reactivation"), event("start")),
    "dormant-container": (
        event("start", start__dormant_seconds=31 * 86_400.0),
        event("start", start__dormant_seconds=86_400.0),
    ),
    "restored-container": (event("start", start__kind="restore"), event("start")),
    "direct-runtime": (event("start", start__trigger="direct_runtime"), event("start")),
    "from-container": (event("start", start__trigger="container"), event("start")),
    "unknown-cause": (event("start", start__trigger="unknown"), event("start")),
    "by-person": (
        event("start", start__trigger="user_command", initiator__user__auid=1000),
        event("start", start__trigger="user_command", initiator__user__auid=None),
    ),
    "privileged": (
        event("start", container__security__privileged=True),
        event("start", container__security__privileged=True, container__sandbox=True),
    ),
    "dangerous-capability": (
        event("start", container__security__capabilities=["CAP_CHOWN", "CAP_SYS_ADMIN"]),
        event("start", container__security__capabilities=["CAP_CHOWN"]),
    ),
    "host-namespace": (
        event("start", container__security__host_namespaces=["pid"]),
        event("start"),
    ),
    "engine-socket-mounted": (
        event("start", container__security__mounts=mounted("/run/docker.sock")),
        event("start", container__security__mounts=mounted("/run/docker.sock.d")),
    ),
    "host-path-mounted": (
        event("start", container__security__mounts=mounted("/")),
        event("start", container__security__mounts=mounted("/srv")),
    ),
    "foreign-runtime": (
        event("start", container__oci_runtime_path="/tmp/.x/runc"),
        event("start", container__oci_runtime_path=None),
    ),
    "unconfined": (
        event("start", container__security__seccomp="unconfined", start__trigger="user_command"),
        event("start", container__security__seccomp="unconfined"),
    ),
    "not-expected": (
        event("start", verdict__expected=False),
        event("start", verdict__expected=None),
    ),
    "failed-start": (event("start", type="container.start_failed"), event("start")),
    "gap": (event("gap"), event("start")),
    "probes-lost": (
        event("sensor", sensor__action="probes_lost"),
        event("sensor", sensor__action="probes_restored"),
    ),
    "agent-killed": (
        event("sensor", sensor__last_end="killed", sensor__down_seconds=61.0),
        event("sensor", sensor__last_end="killed", sensor__down_seconds=3.0),
    ),
    "chain-broken": (
        event("alive", sensor__log__broken="events were lost with a damaged file"),
        event("alive", sensor__log__broken="the log begins here"),
    ),
    "policy-refused": (
        event("sensor", sensor__action="policy_refused"),
        event("sensor", sensor__action="policy_loaded"),
    ),
}


def alert(finding: str, **changes: object) -> Event:
    block = {"id": "a", "finding": finding, "state": "new", "group": "g"}
    return event("alert", **{"alert": block, **changes})


def examples(path: Path) -> tuple[Event, Event]:
    if path.parent.name != "alerts":
        return EXAMPLES[path.stem]
    return alert(path.stem), alert(path.stem, alert__state="acknowledged")


def flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield columns as a SIEM has them; a field of several blocks has all its values in one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        # One row for each in a real table; the tests have the last one, which is the odd one.
        yield from flat(value[-1], path)
    elif isinstance(value, list):
        yield path, json.dumps(value)
    else:
        yield path, value


@cache
def fields() -> frozenset[str]:
    """Return every field of the schema."""

    def walk(node: dict[str, Any], path: str) -> Iterator[str]:
        while "$ref" in node or "oneOf" in node:
            node = node["oneOf"][0] if "oneOf" in node else SCHEMA["$defs"][
                node["$ref"].rpartition("/")[2]
            ]  # fmt: skip
        if "properties" in node:
            for key, inner in node["properties"].items():
                yield from walk(inner, f"{path}.{key}" if path else key)
        elif "items" in node and not path.endswith("chain"):
            yield path
            yield from walk(node["items"], path)
        else:
            yield path

    return frozenset(walk(SCHEMA, ""))


def hits(query: str, events: list[Event]) -> list[Any]:
    """Run a query of the SQLite back end over events."""
    columns = sorted(fields())
    with closing(sqlite3.connect(":memory:")) as connection:
        named = ", ".join(f'"{name}"' for name in [*columns, "timestamp", "number"])
        connection.execute(f"CREATE TABLE logs ({named})")
        for number, one in enumerate(events):
            row = dict(flat(one))
            values = [row.get(name) for name in columns]
            marks = ", ".join("?" * (len(columns) + 2))
            connection.execute(
                f"INSERT INTO logs VALUES ({marks})", [*values, one["time"][:19], number]
            )
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def queries(path: Path) -> list[str]:
    converted: list[str] = sqliteBackend().convert(  # type: ignore[no-untyped-call]  # it has no types
        SigmaCollection.from_yaml(path.read_text())
    )
    return converted


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
def test_each_rule_fires_on_its_true_example_and_not_on_its_false_one(path: Path) -> None:
    (query,) = queries(path)
    assert [row["number"] for row in hits(query, list(examples(path)))] == [0]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_each_rule_is_converted_for_splunk_and_elasticsearch(path: Path) -> None:
    text = path.read_text()
    assert "castoff" in text
    for backend in (SplunkBackend(), ESQLBackend()):
        converted = backend.convert(SigmaCollection.from_yaml(text))
        assert converted
        assert all("=" in query for query in converted)
    if path in SINGLE:
        assert LuceneBackend().convert(SigmaCollection.from_yaml(text))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_rules_name_fields_of_the_schema_and_what_the_pack_is_for(path: Path) -> None:
    for rule in yaml.safe_load_all(path.read_text()):
        assert rule["level"] in {"informational", "low", "medium", "high", "critical"}
        if "correlation" in rule:
            named = set(rule["correlation"]["group-by"])
        else:
            assert rule["logsource"] == {"product": "linux", "service": "castoff"}
            blocks = [one for key, one in rule["detection"].items() if key != "condition"]
            named = {key.partition("|")[0] for block in blocks for key in block}
        assert named <= fields(), named - fields()


def test_ids_are_unique() -> None:
    ids = [rule["id"] for path in RULES for rule in yaml.safe_load_all(path.read_text())]
    assert len(ids) == len(set(ids))


def test_the_recorded_starts_of_real_engines_fire_as_their_stories_say() -> None:
    golden = [json.loads(line) for line in golden_lines()]
    for name, matches in (
        ("reactivation", lambda one: one["start"]["kind"] == "reactivation"),
        ("direct-runtime", lambda one: one["start"]["trigger"] == "direct_runtime"),
    ):
        (query,) = queries(PACK / f"starts/{name}.yml")
        wanted = [
            number
            for number, one in enumerate(golden)
            if one["type"] == "container.start" and not one["container"]["sandbox"] and matches(one)  # type: ignore[no-untyped-call]  # a lambda of the table
        ]
        assert wanted
        assert [row["number"] for row in hits(query, golden)] == wanted


def spread(made: Event, count: int, seconds: float, **changes: list[object]) -> list[Event]:
    """Return copies of an event over some time, each with its own values of some fields."""
    found = []
    for number in range(count):
        one = copy.deepcopy(made)
        wall = 1_760_000_000_000_000_000 + int(number * seconds / count * 1e9)
        one |= {"time": rfc3339(wall), "id": f"{number:032x}"}
        for path, values in changes.items():
            block, key = path.split("__")
            one[block][key] = values[number % len(values)]
        found.append(one)
    return found


CASES: dict[str, tuple[list[Event], list[Event]]] = {
    "burst-of-starts": (
        spread(event("start", start__trigger="user_command"), 20, 200),
        spread(event("start", start__trigger="user_command"), 20, 2000)
        + spread(event("start", start__trigger="orchestrator"), 50, 200),
    ),
    "crash-loop": (
        spread(event("start", start__kind="restart", start__trigger="restart_policy"), 5, 500),
        spread(event("start", start__kind="restart", start__trigger="restart_policy"), 4, 500),
    ),
    "alert-on-many-hosts": (
        spread(alert("burst"), 3, 600, host__name=["a", "b", "c"]),
        spread(alert("burst"), 9, 600, host__name=["a", "b"]),
    ),
}


@pytest.mark.parametrize("path", CORRELATIONS, ids=lambda path: path.stem)
def test_each_correlation_counts_as_it_says(path: Path) -> None:
    query = queries(path)[-1]
    true, false = CASES[path.stem]
    assert hits(query, true)
    assert hits(query, false) == []


def test_the_generated_rules_and_the_layer_are_those_of_the_table() -> None:
    for path, text in sigma_pack.files().items():
        assert path.read_text() == text, f"{path}: run python -m lab.sigma_pack"
    assert set(sigma_pack.ALERTS.glob("*.yml")) < set(sigma_pack.files())


def test_the_layer_is_one_that_navigator_takes() -> None:
    layer = json.loads(sigma_pack.LAYER.read_text())
    assert layer["domain"] == "enterprise-attack"
    assert set(layer["versions"]) == {"attack", "navigator", "layer"}
    techniques = {one["techniqueID"] for one in layer["techniques"]}
    assert {"T1610", "T1611", "T1685"} <= techniques
    assert "T1562" not in techniques

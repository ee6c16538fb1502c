"""The Sigma pack: converted for four back ends, run on SQLite, each rule true and false once.

What the rules run over is what the encoder writes: of samples with one field changed, of judged
stories (``stories.py``), and of real engines (``tests/golden``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
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
from sensor.judge.findings.registry import KINDS
from sensor.model.alert import AlertState
from sensor.model.container import Mount
from sensor.model.events import Event, Start, Verdict
from sensor.model.log_head import LogHead
from sensor.model.vocabulary import EventType, Finding, LastEnd, StartKind, Trigger
from sensor.schema.document import encode_line
from tests.judge.samples import PLAIN
from tests.outputs.batches import golden_lines
from tests.outputs.sample_events import EVENTS, START
from tests.rules.stories import STORIES, Document, alert_of, written

PACK = Path(__file__).parents[2] / "rules/sigma"
RULES = sorted(PACK.rglob("*.yml"))
SINGLE = [path for path in RULES if path.parent.name != "correlations"]
ALERTS = [path for path in SINGLE if path.parent.name == "alerts"]
SAMPLED = [path for path in SINGLE if path.parent.name != "alerts"]
STARTS = [path for path in SINGLE if path.parent.name == "starts"]
CORRELATIONS = [path for path in RULES if path.parent.name == "correlations"]
SCHEMA = json.loads(
    (PACK.parents[1] / "docs/schema/castoff.event.1.schema.json").read_text(encoding="utf-8")
)
SECOND = 1_000_000_000

assert START.container is not None
QUIET = replace(
    START,
    verdict=None,
    start=Start(StartKind.FIRST, Trigger.ORCHESTRATOR),
    container=replace(START.container, oci_runtime_path="/usr/bin/runc", security=PLAIN),
)
"""A start that no rule is about."""
JUDGED = Verdict(expected=None)
HEAD = LogHead("0f1e2d3c4b5a6978", 9, "ab" * 32, 1)


def changed(block: Any, path: list[str], value: object) -> Any:
    """Return a block of the model with one field changed, however deep."""
    first, *rest = path
    return replace(block, **{first: changed(getattr(block, first), rest, value) if rest else value})


def event(name: str, **changes: object) -> Event:
    """Return a sample event with some fields changed; ``__`` in a name leads inside."""
    made = QUIET if name == "start" else EVENTS[name]
    for path, value in changes.items():
        made = changed(made, path.split("__"), value)
    return made


def lines(*events: Event) -> list[Document]:
    """Return what the encoder writes of events."""
    return [json.loads(encode_line(one)) for one in events]


def mounted(source: str) -> tuple[Mount, ...]:
    return Mount("/srv/data", "/data", writable=True), Mount(source, "/x", writable=True)


def start(**changes: object) -> Event:
    return event("start", **changes)


def sensor(action: str, **changes: object) -> Event:
    return event("sensor", sensor__action=action, **changes)


EXAMPLES: dict[str, tuple[Event, Event]] = {
    "reactivation": (start(start__kind=StartKind.REACTIVATION), start()),
    "dormant-container": (
        start(start__dormant_seconds=31 * 86_400.0),
        start(start__dormant_seconds=86_400.0),
    ),
    "restored-container": (start(start__kind=StartKind.RESTORE), start()),
    "direct-runtime": (start(start__trigger=Trigger.DIRECT_RUNTIME), start()),
    "from-container": (start(start__trigger=Trigger.CONTAINER), start()),
    "unknown-cause": (start(start__trigger=Trigger.UNKNOWN), start()),
    "by-person": (
        start(start__trigger=Trigger.USER_COMMAND, initiator__user__auid=1000),
        start(start__trigger=Trigger.USER_COMMAND, initiator__user__auid=None),
    ),
    "privileged": (
        start(container__security__privileged=True),
        start(container__security__privileged=True, container__sandbox=True),
    ),
    "dangerous-capability": (
        start(container__security__capabilities=("CAP_CHOWN", "CAP_SYS_ADMIN")),
        start(container__security__capabilities=("CAP_CHOWN",)),
    ),
    "host-namespace": (start(container__security__host_namespaces=("pid",)), start()),
    "engine-socket-mounted": (
        start(container__security__mounts=mounted("/run/docker.sock")),
        start(container__security__mounts=mounted("/run/docker.sock.d")),
    ),
    "host-path-mounted": (
        start(container__security__mounts=mounted("/")),
        start(container__security__mounts=mounted("/srv")),
    ),
    "foreign-runtime": (
        start(container__oci_runtime_path="/tmp/.x/runc"),
        start(container__oci_runtime_path=None),
    ),
    "unconfined": (
        start(container__security__seccomp="unconfined", start__trigger=Trigger.USER_COMMAND),
        start(container__security__seccomp="unconfined"),
    ),
    "not-expected": (start(verdict=replace(JUDGED, expected=False)), start(verdict=JUDGED)),
    "failed-start": (start(type=EventType.START_FAILED), start()),
    "gap": (EVENTS["gap"], start()),
    "probes-lost": (sensor("probes_lost"), sensor("probes_restored")),
    "audit-rules-lost": (sensor("audit_rules_lost"), sensor("audit_rules_restored")),
    "agent-killed": (
        sensor("probes_attached", sensor__last_end=LastEnd.KILLED, sensor__down_seconds=61.0),
        sensor("probes_attached", sensor__last_end=LastEnd.KILLED, sensor__down_seconds=3.0),
    ),
    "chain-broken": (
        event("alive", sensor__log=replace(HEAD, broken="events were lost with a damaged file")),
        event("alive", sensor__log=replace(HEAD, broken="the log begins here")),
    ),
    "policy-refused": (sensor("policy_refused"), sensor("policy_loaded")),
}


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


def hits(query: str, events: list[Document]) -> list[Any]:
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


def numbers(path: Path, documents: list[Document]) -> list[int]:
    """Return which documents a rule finds."""
    (query,) = queries(path)
    return [row["number"] for row in hits(query, documents)]


@pytest.mark.parametrize("path", SAMPLED, ids=lambda path: path.stem)
def test_each_rule_fires_on_its_true_example_and_not_on_its_false_one(path: Path) -> None:
    assert numbers(path, lines(*EXAMPLES[path.stem])) == [0]


@pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.stem)
def test_a_rule_of_a_finding_fires_on_what_the_judge_makes_of_its_true_story(path: Path) -> None:
    finding = Finding(path.stem)
    true, false = (written(STORIES[finding], true=which) for which in (True, False))
    found = [true[number] for number in numbers(path, true)]
    assert found
    assert {one["type"] for one in found} == {"alert"}
    assert {one["alert"]["finding"] for one in found} == {finding}
    assert numbers(path, false) == []


@pytest.mark.parametrize("state", AlertState)
def test_an_alert_fires_when_it_is_raised_and_not_when_it_is_settled(state: AlertState) -> None:
    raised = changed(alert_of(Finding.NEW_PERSON), ["alert", "state"], state)
    fires = numbers(PACK / "alerts/new-person.yml", lines(raised)) == [0]
    assert fires is (state in {AlertState.NEW, AlertState.UPDATE})


RECORDED: dict[str, Callable[[Document], bool]] = {
    "reactivation": lambda one: one["start"]["kind"] == "reactivation",
    "dormant-container": lambda one: (one["start"]["dormant_seconds"] or 0) >= 30 * 86_400,
    "restored-container": lambda one: one["start"]["kind"] == "restore",
    "direct-runtime": lambda one: one["start"]["trigger"] == "direct_runtime",
    "from-container": lambda one: one["start"]["trigger"] == "container",
    "unknown-cause": lambda one: one["start"]["trigger"] == "unknown",
    "by-person": lambda one: (
        one["start"]["trigger"] == "user_command"
        and ((one["initiator"] or {}).get("user") or {}).get("auid") is not None
    ),
    "privileged": lambda one: security(one).get("privileged") is True,
    "host-namespace": lambda one: bool(
        {"pid", "ipc", "uts", "mount", "network"} & set(security(one).get("host_namespaces") or ())
    ),
    "not-expected": lambda one: (one["verdict"] or {}).get("expected") is False,
}
"""What a rule finds among the starts of real engines, pause containers left out."""
NEVER_RECORDED = frozenset({"dormant-container", "restored-container", "privileged"})
"""No capture has one. Stories and samples have all of them."""


def security(document: Document) -> Document:
    block: Document = document["container"]["security"] or {}
    return block


@pytest.mark.parametrize("name", RECORDED)
def test_a_rule_finds_the_starts_of_real_engines_that_it_is_about(name: str) -> None:
    recorded = [json.loads(line) for line in golden_lines()]
    wanted = [
        number
        for number, one in enumerate(recorded)
        if one["type"] == "container.start"
        and not one["container"]["sandbox"]
        and RECORDED[name](one)
    ]
    assert bool(wanted) is (name not in NEVER_RECORDED)
    assert numbers(PACK / f"starts/{name}.yml", recorded) == wanted


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


def spread(made: Event, count: int, seconds: float, hosts: str = "a") -> list[Event]:
    """Return copies of an event over some time, on these hosts in turn."""
    assert made.host is not None
    return [
        replace(
            made,
            id=f"{number:032x}",
            time=made.time + int(number * seconds / count * SECOND),
            host=replace(made.host, name=hosts[number % len(hosts)]),
        )
        for number in range(count)
    ]


BY_PERSON = start(start__trigger=Trigger.USER_COMMAND)
RESTART = start(start__kind=StartKind.RESTART, start__trigger=Trigger.RESTART_POLICY)
BURST = alert_of(Finding.BURST)
CASES: dict[str, tuple[list[Event], list[Event]]] = {
    "burst-of-starts": (
        spread(BY_PERSON, 20, 200),
        spread(BY_PERSON, 20, 2000) + spread(QUIET, 50, 200),
    ),
    "crash-loop": (spread(RESTART, 5, 500), spread(RESTART, 4, 500)),
    "alert-on-many-hosts": (spread(BURST, 3, 600, "abc"), spread(BURST, 9, 600, "ab")),
}


@pytest.mark.parametrize("path", CORRELATIONS, ids=lambda path: path.stem)
def test_each_correlation_counts_as_it_says(path: Path) -> None:
    query = queries(path)[-1]
    true, false = CASES[path.stem]
    assert hits(query, lines(*true))
    assert hits(query, lines(*false)) == []


def test_the_generated_rules_and_the_layer_are_those_of_the_table() -> None:
    for path, text in sigma_pack.files().items():
        assert path.read_text() == text, f"{path}: run python -m lab.sigma_pack"
    assert set(sigma_pack.ALERTS.glob("*.yml")) < set(sigma_pack.files())


def test_the_layer_is_of_the_form_that_navigator_documents() -> None:
    schema = json.loads((Path(__file__).parent / "navigator-layer-4.5.schema.json").read_text())
    layer = _layer()
    jsonschema.Draft202012Validator(schema).validate(layer)
    assert layer["gradient"]["maxValue"] > layer["gradient"]["minValue"]


def test_the_layer_shows_each_technique_that_a_finding_names() -> None:
    techniques = {one["techniqueID"]: one for one in _layer()["techniques"]}
    named = {technique for kind in KINDS.values() for technique in kind.techniques}
    assert {id_ for id_, one in techniques.items() if "score" in one} == named
    # Navigator shows a sub-technique only below a technique that is opened.
    assert {id_ for id_, one in techniques.items() if one.get("showSubtechniques")} == {
        id_.partition(".")[0] for id_ in named if "." in id_
    }
    assert len(techniques) == len(_layer()["techniques"])
    assert "T1562" not in techniques


def _layer() -> dict[str, Any]:
    layer: dict[str, Any] = json.loads(sigma_pack.LAYER.read_text())
    return layer

"""Records become events: once each, operations folded, pods explained."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import ControlRecord, RequestOutcome
from sensor.model.events import Event
from sensor.model.vocabulary import EventType
from sensor.schema.document import encode_line
from sensor.sources.controlplane.reader import Reader, read
from sensor.sources.controlplane.times import wall
from tests.correlate.audit_log import Log, records, started

CORPORA = Path(__file__).parents[1] / "corpora" / "controlplane"
SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "castoff.event.1.schema.json"
NOW = 1_900_000_000_000_000_000


def events(*data: bytes) -> list[Event]:
    made = RequestEvents()
    emitted: list[Event] = []
    for one in data:
        for record in read([one], Reader("file")):
            assert isinstance(record, ControlRecord), record
            emitted += made.feed(record, NOW)
    return emitted + list(made.close(NOW))


def corpus(name: str) -> bytes:
    return (CORPORA / name).read_bytes()


@lru_cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def test_every_event_of_every_corpus_is_valid() -> None:
    seen: Counter[str] = Counter()
    for path in sorted(CORPORA.glob("*/*.jsonl")) + sorted(CORPORA.glob("*/*.log")):
        if path.name == "expected.jsonl":
            continue
        for event in events(path.read_bytes()):
            document: Any = json.loads(encode_line(event))
            assert [error.message for error in validator().iter_errors(document)] == []
            seen[event.type] += 1
    assert set(seen) == {
        EventType.START_REQUESTED,
        EventType.START_REPORTED,
        EventType.STOP_REQUESTED,
        EventType.START_EXPLAINED,
    }


def test_the_same_file_twice_makes_no_second_event() -> None:
    data = corpus("kubernetes/recorded-1.36.jsonl")
    assert [event.id for event in events(data, data)] == [event.id for event in events(data)]


def test_ids_are_the_same_when_a_file_is_read_again() -> None:
    data = corpus("aws/cloudtrail.jsonl")
    assert [event.id for event in events(data)] == [event.id for event in events(data)]


def test_one_call_that_comes_by_two_roads_is_one_event() -> None:
    both = events(corpus("aws/cloudtrail.jsonl"), corpus("aws/eventbridge.jsonl"))
    asked = [one for one in both if one.request and one.request.action == "ecs:RunTask"]
    assert len(asked) == len({one.id for one in asked})


def test_a_start_that_is_reported_by_several_records_counts_once() -> None:
    """ECS repeats a running task with each version, and the agent reports it, too."""
    emitted = [one for one in events(corpus("aws/eventbridge.jsonl")) if one.orchestrator]
    reported = [one for one in emitted if one.type is EventType.START_REPORTED]
    tasks = [one.orchestrator.task_arn for one in reported if one.orchestrator is not None]
    assert len(tasks) == len(set(tasks)) == 2


def test_an_operation_of_three_records_is_one_event_that_grows() -> None:
    emitted = events(corpus("azure/activity-rest.jsonl"))
    assert len({one.id for one in emitted}) == 1
    outcomes = [one.request.outcome for one in emitted if one.request is not None]
    assert outcomes == [RequestOutcome.UNKNOWN, RequestOutcome.ACCEPTED, RequestOutcome.SUCCESS]
    last = emitted[-1].request
    assert last is not None
    assert last.actor is not None
    assert [one.image for one in last.containers] == ["contoso.azurecr.io/payments:2.4.1"]


def test_an_end_that_comes_before_its_begin_stays_the_end() -> None:
    emitted = events(corpus("azure/activity-eventhub-batch.jsonl"))
    assert [one.request.outcome for one in emitted if one.request is not None][-1] == "success"
    assert len({one.id for one in emitted}) == 1


def test_the_end_of_an_operation_keeps_who_began_it() -> None:
    emitted = [one for one in events(corpus("gcp/cloudrun.jsonl")) if one.request is not None]
    (last,) = [
        one.request
        for one in emitted
        if one.request is not None
        and one.request.outcome == "success"
        and str(one.request.action).endswith("UpdateService")
    ]
    assert last.actor is not None
    assert last.actor.name == "alice@example.com"


def test_a_start_of_what_ran_already_is_not_a_start() -> None:
    lines = corpus("azure/activity-rest.jsonl").splitlines()
    began, ended = (json.loads(lines[number]) for number in (0, 2))
    for one in (began, ended):
        one["operationName"]["value"] = "Microsoft.ContainerInstance/containerGroups/start/action"
    ended["subStatus"]["value"] = "NoContent"
    emitted = events(json.dumps(began).encode() + b"\n" + json.dumps(ended).encode())
    assert [one.request.effect for one in emitted if one.request is not None] == ["start", "none"]


def test_images_come_from_the_task_definition_that_was_registered() -> None:
    lines = corpus("aws/cloudtrail.jsonl").splitlines()
    register, update = json.loads(lines[10]), json.loads(lines[8])
    emitted = events(json.dumps(register).encode() + b"\n" + json.dumps(update).encode())
    request = emitted[-1].request
    assert request is not None
    assert [one.image for one in request.containers] == [
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com/web:2.4.1"
    ]


def test_a_pod_is_explained_after_its_causes_have_come() -> None:
    emitted = events(corpus("kubernetes/scenario/audit.log"))
    explained = [one for one in emitted if one.type is EventType.START_EXPLAINED]
    wanted = (CORPORA / "kubernetes" / "scenario" / "chains.jsonl").read_text().splitlines()
    assert len(explained) == len(wanted)
    assert len({one.id for one in explained}) == len(explained)


def test_nothing_secret_of_the_corpora_is_in_an_event() -> None:
    secrets = (b"last-applied", b"form data", b"sessionToken", b"nsenter", b"serviceAccountToken")
    for path in sorted(CORPORA.glob("*/*.jsonl")) + sorted(CORPORA.glob("*/*.log")):
        if path.name != "expected.jsonl":
            lines = b"".join(encode_line(event) for event in events(path.read_bytes()))
            assert [word for word in secrets if word in lines] == [], path


BEGIN = wall("2026-03-02T10:00:00Z") or 0


def explained_after(seconds: float, log: Log, *logs: str | None) -> list[str | None]:
    """Return the pods that are explained so long after 10:00, of records that come as written."""
    made, found = RequestEvents(), list[Event]()
    given = records(b"\n".join(json.dumps(line).encode() for line in log.lines))
    for number, record in enumerate(given):
        when = record.request.requested or 0
        found += made.feed(record, when, logs[number % len(logs)])
    found += made.settle(BEGIN + int(seconds * 1e9))
    return [
        one.orchestrator.pod
        for one in found
        if one.type is EventType.START_EXPLAINED and one.orchestrator is not None
    ]


def placed() -> Log:
    """Alice's Deployment; one of its two pods has its node."""
    log = started()
    log.bound(0.05, "web-1-aaaaa", "node-1")
    return log


def test_a_proven_requester_is_reported_when_the_pod_has_its_node() -> None:
    assert explained_after(0.6, placed(), "audit.log") == ["web-1-aaaaa"]


def test_a_pod_without_a_node_waits_for_it() -> None:
    assert explained_after(2.0, started(), "audit.log") == []
    assert explained_after(2.7, started(), "audit.log") == ["web-1-aaaaa", "web-1-bbbbb"]


def test_a_requester_that_is_not_proven_waits_for_other_causes() -> None:
    log = placed()
    del log.lines[2:4]
    log.pod(1.5, "web-1-ccccc", "web-1")
    log.bound(1.55, "web-1-ccccc", "node-1")
    assert explained_after(3.0, log, "audit.log") == []
    assert explained_after(4.2, log, "audit.log") == ["web-1-ccccc"]


def test_records_of_several_servers_wait_for_each_other() -> None:
    assert explained_after(2.0, placed(), "one.log", "two.log") == []
    assert explained_after(2.0, placed(), None) == []
    assert "web-1-aaaaa" in explained_after(4.2, placed(), "one.log", "two.log")

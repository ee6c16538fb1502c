"""A start of this node is tied to its request, when that is known and not before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sensor.correlate.explainer import PATIENCE, StartExplainer
from sensor.model.agent_records import HostFacts
from sensor.model.container import Orchestrator
from sensor.model.control_plane import (
    ActorKind,
    ChainConfidence,
    ChainStep,
    Cluster,
    ControlRecord,
    Effect,
    RequestedBy,
)
from sensor.model.events import Container, Event, Start
from sensor.model.vocabulary import ContainerId, EventType, StartKind
from sensor.sources.controlplane.reader import Reader, read
from sensor.sources.controlplane.times import wall
from tests.correlate.audit_log import Log
from tests.correlate.audit_log import records as made_up

CORPUS = Path(__file__).parents[1] / "corpora" / "kubernetes"
HOST = HostFacts("node-a", "boot", None, "6.1", "node-a")
SECOND = 1_000_000_000
NOW = 1_900_000_000_000_000_000


def records() -> list[ControlRecord]:
    found = read([(CORPUS / "audit.jsonl").read_bytes()], Reader("audit.log"))
    return [one for one in found if isinstance(one, ControlRecord)]


def truth() -> list[dict[str, object]]:
    return [json.loads(line) for line in (CORPUS / "truth.jsonl").read_text().splitlines()]


def start(one: dict[str, object], attempt: int = 0) -> Event:
    """Return the start that a node reports of a container of the recorded cluster."""
    when = wall(str(one["taskStart"])) if one.get("taskStart") else None
    assert when is not None
    return Event(
        type=EventType.START,
        id=f"start of {one['containerID']}",
        time=when,
        observed=when,
        realtime_offset=0,
        host=HOST,
        container=Container(ContainerId(str(one["containerID"]))),
        start=Start(StartKind.FIRST, attempt=attempt),
        orchestrator=Orchestrator(
            "kubernetes",
            str(one["namespace"]),
            str(one["pod"]),
            str(one.get("nodeUid") or one["uid"]),
            str(one["container"]),
        ),
    )


def test_every_start_of_the_recorded_node_is_explained_by_its_true_requester() -> None:
    explainer, wanted = StartExplainer(), {}
    for one in truth():
        if one.get("taskStart") and one.get("pod") and one.get("inApi") is not False:
            attempt = one.get("restartCount") or 0
            assert isinstance(attempt, int)
            event = start(one, attempt)
            explainer.started(event)
            wanted[event.id] = (one["asked"], attempt, one["containerType"])
    for record in records():
        explainer.add(record, NOW)
    latest = max(record.request.requested or 0 for record in records())
    explained = {event.start_id: event for event in explainer.settle(latest + PATIENCE)}
    assert len(explained) > 100
    for id_, (asked, attempt, container_type) in wanted.items():
        assert isinstance(asked, dict)
        if attempt:
            assert id_ not in explained
            continue
        event = explained[id_]
        assert event.type is EventType.START_EXPLAINED
        assert event.orchestrator is not None
        requested = event.orchestrator.requested_by
        assert requested is not None
        # Kubernetes counts a sidecar among the init containers.
        found = event.orchestrator.container_type
        assert ("init" if found == "sidecar" else found) == container_type
        if asked["user"] is None:
            assert requested.effect is Effect.STATIC_POD
        else:
            assert requested.actor == (asked["impersonated_by"] or asked["user"])
            assert requested.request_id == asked["auditID"]


def test_starts_are_explained_where_the_api_servers_clock_is_hours_ahead() -> None:
    explainer, behind, starts = StartExplainer(), 3 * 3600 * SECOND, 0
    for one in truth():
        if one.get("taskStart") and one.get("pod") and not one.get("restartCount"):
            event = start(one)
            explainer.started(replace(event, time=event.time - behind))
            starts += 1
    now = max(record.request.requested or 0 for record in records()) - behind
    for record in records():
        explainer.add(record, now)
    found = list(explainer.settle(now + PATIENCE // 2))
    assert len(found) > 0.9 * starts


def test_the_pods_own_record_says_what_each_container_is() -> None:
    explainer, wanted = StartExplainer(), {}
    for one in truth():
        if one.get("taskStart") and one.get("pod") and one.get("inApi") is not False:
            event = start(one)
            explainer.started(event)
            wanted[event.id] = one["containerType"]
    for record in records():
        explainer.add(record, NOW)
    latest = max(record.request.requested or 0 for record in records())
    found = [
        (event.orchestrator.container_type, wanted[event.start_id])
        for event in explainer.settle(latest + PATIENCE)
        if event.orchestrator is not None and event.start_id is not None
    ]
    assert {kind for kind, _ in found} == {"main", "init", "sidecar", "ephemeral"}
    truly = {("sidecar", "init"), *((one, one) for one in ("main", "init", "ephemeral"))}
    assert set(found) == truly


def test_a_start_waits_for_records_that_come_later() -> None:
    explainer = StartExplainer()
    (one,) = [one for one in truth() if one.get("scenario") == "daemonset"]
    event = start(one)
    explainer.started(event)
    assert list(explainer.settle(event.time + SECOND)) == []
    for record in records():
        explainer.add(record, NOW)
    (explained,) = explainer.settle(event.time + 60 * SECOND)
    assert explained.start_id == event.id
    assert explained.host == HOST
    assert len(explainer) == 0


def test_a_start_that_no_record_explains_is_given_up() -> None:
    explainer = StartExplainer()
    (one,) = [one for one in truth() if one.get("scenario") == "daemonset"]
    event = start(one)
    explainer.started(event)
    assert list(explainer.settle(event.time + PATIENCE + SECOND)) == []
    assert (len(explainer), explainer.unexplained) == (0, 1)


def test_a_container_that_was_put_into_a_pod_without_a_request_has_no_requester() -> None:
    explainer = StartExplainer()
    (one,) = [one for one in truth() if one.get("scenario") == "cri-inject"]
    event = start(one)
    explainer.started(event)
    for record in records():
        explainer.add(record, NOW)
    assert list(explainer.settle(event.time + PATIENCE + SECOND)) == []


def test_starts_of_no_pod_do_not_wait() -> None:
    explainer = StartExplainer()
    event = Event(
        EventType.START, "x", 1, 1, 0, HOST, Container(ContainerId("a")), Start(StartKind.FIRST)
    )
    explainer.started(event)
    assert len(explainer) == 0


def named(log: Log, after: float) -> list[Event]:
    """Return what explains a start so many seconds after the creation of a pod of its name."""
    explainer = StartExplainer()
    (record,) = made_up(json.dumps(log.lines[0]).encode())
    explainer.add(record, NOW)
    when = (record.request.requested or 0) + int(after * SECOND)
    explainer.started(
        Event(
            type=EventType.START,
            id="start",
            time=when,
            observed=when,
            realtime_offset=0,
            host=HOST,
            container=Container(ContainerId("c" * 64)),
            start=Start(StartKind.FIRST, attempt=0),
            orchestrator=Orchestrator("kubernetes", "shop", "db-0", "uid", "db"),
        )
    )
    return list(explainer.settle(when + 10 * SECOND))


def test_a_name_that_an_earlier_pod_may_have_had_explains_no_start() -> None:
    log = Log()
    log.call(0, "alice", "create", "pods", name="db-0")
    log.lines[0].pop("responseObject")
    assert [one.start_id for one in named(log, 3)] == ["start"]
    assert named(log, 3600) == []


def test_a_second_container_of_one_name_and_attempt_was_not_asked_for() -> None:
    """A client of the runtime's socket gave it the name of the pod's own."""
    one = next(
        item for item in truth() if item.get("taskStart") and item["containerType"] == "main"
    )
    own, other = start(one), start({**one, "containerID": "another"})
    explainer = StartExplainer()
    for event in (own, replace(other, time=own.time + 30 * SECOND)):
        explainer.started(event)
    for record in records():
        explainer.add(record, NOW)
    latest = max(record.request.requested or 0 for record in records())
    assert [event.start_id for event in explainer.settle(latest + PATIENCE)] == [own.id]


def test_a_uid_is_found_whatever_cluster_its_records_name() -> None:
    """A node may read a managed cluster's records, whose envelopes name the cluster."""
    one = next(
        item for item in truth() if item.get("taskStart") and item["containerType"] == "main"
    )
    explainer = StartExplainer()
    explainer.started(start(one))
    for record in records():
        request = replace(record.request, cluster=Cluster(name="prod", provider="aws"))
        explainer.add(replace(record, request=request), NOW)
    latest = max(record.request.requested or 0 for record in records())
    assert len(list(explainer.settle(latest + PATIENCE))) == 1


def test_the_author_of_a_manifest_stays_the_requester_of_its_static_pod() -> None:
    """Audit named the login that wrote it; the mirror pod is the evidence of the API server."""
    one = next(item for item in truth() if item.get("nodeUid") and item.get("taskStart"))
    author = RequestedBy(
        "alice",
        ActorKind.USER,
        ChainConfidence.INFERRED,
        effect=Effect.STATIC_POD,
        chain=(ChainStep("write manifest", "alice", "audit 1:2", 1),),
    )
    event = start(one)
    assert event.orchestrator is not None
    event = replace(event, orchestrator=replace(event.orchestrator, requested_by=author))
    explainer = StartExplainer()
    explainer.started(event)
    for record in records():
        explainer.add(record, NOW)
    latest = max(record.request.requested or 0 for record in records())
    (explained,) = explainer.settle(latest + PATIENCE)
    assert explained.orchestrator is not None
    requested = explained.orchestrator.requested_by
    assert requested is not None
    assert requested.actor == "alice"
    assert [step.action for step in requested.chain] == ["create pods", "write manifest"]

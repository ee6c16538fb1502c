"""A start of this node is a task's where ECS reports the id of its container."""

from __future__ import annotations

from sensor.correlate.explainer import StartExplainer
from sensor.correlate.task_events import PATIENCE
from sensor.correlate.task_starts import STARTS_LIMIT, TaskStarts
from sensor.model.agent_records import HostFacts
from sensor.model.container import Orchestrator
from sensor.model.control_plane import ChainConfidence
from sensor.model.events import Container, Event, Start
from sensor.model.vocabulary import ContainerId, EventType, StartKind
from sensor.sources.controlplane.times import wall
from tests.correlate.ecs_log import EcsLog, arn, records, stamp

HOST = HostFacts("node-a", "boot", None, "6.1", "node-a")
BEGAN = wall(stamp(30)) or 0


def start(id_: str, task: str = "a", kind: StartKind = StartKind.FIRST) -> Event:
    return Event(
        type=EventType.START,
        id=f"start of {id_}",
        time=BEGAN,
        observed=BEGAN,
        realtime_offset=0,
        host=HOST,
        container=Container(ContainerId(id_)),
        start=Start(kind),
        orchestrator=Orchestrator("ecs", container="web", task_arn=arn(task)),
    )


def explained(log: EcsLog, event: Event, after: int) -> Event | None:
    explainer = StartExplainer()
    explainer.started(event)
    for record in records(log.lines):
        explainer.add(record, BEGAN)
    found = list(explainer.settle(BEGAN + after))
    assert explainer.explained == len(found)
    return found[0] if found else None


def test_a_start_whose_id_ecs_reports_is_explained_at_once() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.ran(1, "a", group="family:job", started_by="alice", runtime_id="c1")
    found = explained(log, start("c1"), 1)
    assert found is not None
    assert found.start_id == "start of c1"
    assert found.orchestrator is not None
    requested = found.orchestrator.requested_by
    assert requested is not None
    assert (requested.actor, requested.confidence) == ("alice", ChainConfidence.EXACT)
    assert found.orchestrator.owner is not None
    assert found.orchestrator.owner.name == "job:1"


def test_a_task_of_a_service_waits_until_its_records_had_their_time() -> None:
    log = EcsLog()
    log.created(0, "alice")
    log.ran(10, "a", runtime_id="c1")
    assert explained(log, start("c1"), PATIENCE - 1) is None
    found = explained(log, start("c1"), PATIENCE)
    assert found is not None
    assert found.orchestrator is not None
    assert found.orchestrator.requested_by is not None
    assert found.orchestrator.requested_by.actor == "alice"


def test_a_label_that_names_another_containers_task_explains_nothing() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.ran(1, "a", group="family:job", started_by="alice", runtime_id="c1")
    assert explained(log, start("forged"), PATIENCE) is None


def test_a_label_alone_is_inferred() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    assert explained(log, start("c1"), 1) is None
    found = explained(log, start("c1"), PATIENCE)
    assert found is not None
    assert found.orchestrator is not None
    assert found.orchestrator.requested_by is not None
    assert found.orchestrator.requested_by.confidence is ChainConfidence.INFERRED


def test_the_id_may_come_with_a_later_report_of_the_same_start() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.submitted(20, "a", "c1")
    assert explained(log, start("c1"), 1) is not None


def test_a_restart_has_no_request() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.ran(1, "a", runtime_id="c1")
    assert explained(log, start("c1", kind=StartKind.RESTART), PATIENCE) is None


def test_starts_that_wait_are_bounded() -> None:
    starts = TaskStarts()
    for number in range(STARTS_LIMIT + 3):
        starts.started(start(f"c{number}"))
    assert (len(starts), starts.unexplained) == (STARTS_LIMIT, 3)
    assert list(starts.settle(BEGAN + PATIENCE)) == []
    assert starts.unexplained == STARTS_LIMIT + 3

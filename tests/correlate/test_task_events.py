"""A task is explained once: at once where that is certain, else when its records had their time."""

from __future__ import annotations

import json

from sensor.correlate.request_events import SETTLE, WHOLE_INPUT, RequestEvents
from sensor.correlate.task_events import PATIENCE, TaskEvents
from sensor.model.events import Event
from sensor.model.vocabulary import EventType
from tests.correlate.ecs_log import CORPUS, EcsLog, arn, records

NOW = 1_900_000_000_000_000_000


def requesters(events: list[Event]) -> dict[str | None, str | None]:
    return {
        one.orchestrator.task_arn: one.orchestrator.requested_by.actor
        for one in events
        if one.type is EventType.START_EXPLAINED
        and one.orchestrator is not None
        and one.orchestrator.requested_by is not None
    }


def test_a_task_of_runtask_is_explained_at_once_and_once() -> None:
    log = EcsLog()
    log.run(0, "alice", "a")
    log.ran(1, "a", group="family:job", started_by="alice")
    events = TaskEvents()
    first, second = records(log.lines)
    assert requesters(list(events.feed(first, NOW))) == {arn("a"): "alice"}
    assert list(events.feed(second, NOW)) == []
    assert list(events.close(NOW)) == []


def test_a_report_waits_for_cloudtrail() -> None:
    log = EcsLog()
    log.ran(10, "a")
    log.created(0, "alice")
    events = TaskEvents()
    report, write = records(log.lines)
    assert list(events.feed(report, NOW)) == []
    assert list(events.settle(NOW + PATIENCE - 1)) == []
    assert list(events.feed(write, NOW + PATIENCE - 1)) == []
    assert requesters(list(events.settle(NOW + PATIENCE))) == {arn("a"): "alice"}


def test_the_agents_report_does_not_hide_what_eventbridge_knows() -> None:
    log = EcsLog()
    log.created(0, "alice")
    log.submitted(20, "a", "id-of-a")
    log.ran(1, "a")
    made = RequestEvents(WHOLE_INPUT)
    found = [event for record in records(log.lines) for event in made.feed(record, NOW)]
    found += list(made.close(NOW))
    reported = [one for one in found if one.type is EventType.START_REPORTED]
    assert len(reported) == 1
    assert requesters(found) == {arn("a"): "alice"}


def test_in_a_stream_tasks_are_explained_when_it_is_quiet() -> None:
    log = EcsLog()
    log.created(0, "alice")
    log.ran(10, "a")
    made = RequestEvents(SETTLE)
    found = [event for record in records(log.lines) for event in made.feed(record, NOW)]
    assert requesters(found) == {}
    assert requesters(list(made.settle(NOW + PATIENCE))) == {arn("a"): "alice"}


def test_the_samples_of_ecs_are_explained_where_their_records_are_there() -> None:
    made, found = RequestEvents(WHOLE_INPUT), []
    lines = [
        line
        for name in ("cloudtrail.jsonl", "eventbridge.jsonl")
        for line in (CORPUS / name).read_text().splitlines()
    ]
    for record in records([json.loads(line) for line in lines]):
        found += list(made.feed(record, NOW))
    found += list(made.close(NOW))
    by_end = {(task or "")[-8:]: actor for task, actor in requesters(found).items()}
    assert by_end == {
        "97705899": "alice",
        "8b274143": "OrgAdmin/bob@example.com",
        "6d5e2544": "ecsEventsRole",
    }, "the task of the service web has no record of the write that made its deployment"

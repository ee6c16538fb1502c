"""Records go on in the order of their times, and none waits without a limit."""

from __future__ import annotations

import json
import random

from sensor.correlate.record_order import RecordOrder
from sensor.correlate.request_events import WHOLE_INPUT, RequestEvents
from sensor.model.control_plane import ControlRecord
from sensor.model.vocabulary import EventType
from tests.correlate.audit_log import SCENARIO, Log, records

NOW = 1_900_000_000_000_000_000
SECOND = 1_000_000_000


def writes(*times: float) -> list[ControlRecord]:
    log = Log()
    for time in times:
        log.job(time, "alice", f"job-{time}")
    return records(b"\n".join(json.dumps(line).encode() for line in log.lines))


def names(found: list[ControlRecord]) -> list[str | None]:
    return [one.request.workload.name for one in found if one.request.workload is not None]


def test_records_go_on_in_the_order_of_their_times() -> None:
    order = RecordOrder(2 * SECOND)
    gone: list[ControlRecord] = []
    for record in writes(3, 1, 2, 5, 4, 9):
        order.add(record, NOW)
        gone += order.ready()
    assert names(gone) == ["job-1", "job-2", "job-3", "job-4", "job-5"]
    assert names(list(order.rest())) == ["job-9"]
    assert len(order) == 0


def test_the_earliest_goes_on_when_too_many_wait() -> None:
    order = RecordOrder(WHOLE_INPUT, limit=2)
    gone: list[ControlRecord] = []
    for record in writes(3, 1, 2):
        order.add(record, NOW)
        gone += order.ready()
    assert names(gone) == ["job-1"]


def test_a_clock_that_is_ahead_lets_no_other_record_go_on() -> None:
    first, ahead = writes(1, 3000)
    order = RecordOrder(2 * SECOND)
    now = first.request.requested or 0
    order.add(ahead, now)
    order.add(first, now)
    assert list(order.ready()) == []


def test_records_of_a_clock_hours_ahead_go_on_as_well() -> None:
    first, second = writes(3000, 3001)
    order = RecordOrder(2 * SECOND)
    now = (first.request.requested or 0) - 2 * 3600 * SECOND
    order.add(first, now)
    order.add(second, now + 1)
    order.quiet(now + 5 * SECOND)
    assert list(order.ready()) == [first, second]


def test_the_requesters_of_a_file_do_not_depend_on_its_order() -> None:
    lines = (SCENARIO / "audit.log").read_bytes().splitlines()

    def answers(given: list[bytes]) -> dict[str | None, str | None]:
        made = RequestEvents(WHOLE_INPUT)
        events = [
            event for record in records(b"\n".join(given)) for event in made.feed(record, NOW)
        ]
        events += made.close(NOW)
        return {
            one.orchestrator.pod_uid: one.orchestrator.requested_by.actor
            for one in events
            if one.type is EventType.START_EXPLAINED
            and one.orchestrator is not None
            and one.orchestrator.requested_by is not None
        }

    straight = answers(lines)
    assert len(straight) == len((SCENARIO / "chains.jsonl").read_bytes().splitlines())
    for seed in range(3):
        shuffled = lines.copy()
        random.Random(seed).shuffle(shuffled)
        assert answers(shuffled) == straight

"""Loops, storms, failures and floods are reported once, and their end too."""

from __future__ import annotations

import json
from dataclasses import replace

from sensor.judge.alert_book import AlertBook
from sensor.judge.case import facts_of
from sensor.judge.feature import features_of
from sensor.judge.findings import burst, crash_loop
from sensor.judge.judge import Judge
from sensor.judge.operational import BURST_ROW, MINUTE, SUBJECTS_MAX, Operational
from sensor.model.alert import Alert, AlertClass, AlertState
from sensor.model.container import Orchestrator
from sensor.model.events import Event, Stop
from sensor.model.vocabulary import EventType, Finding, Trigger
from tests.judge.past import alerts_of, known_node, rows_of, running
from tests.judge.samples import HOUR, NOW, OFFSET, SECOND, initiator, pod_start, restarted, start

BURST_LEAST = burst.STARTS.default
LOOP = crash_loop.RESTARTS.default
CALM = crash_loop.CALM_MINUTES.default * MINUTE
LATER = NOW + 20 * HOUR
"""Long after the boot of the sample node."""


def of(alerts: list[Alert], finding: Finding) -> list[Alert]:
    return [one for one in alerts if one.finding is finding]


def looping(judge: Judge, count: int, step: int = 60 * SECOND) -> Event:
    first = start("web", at=LATER)
    judge.judge(first)
    again = first
    for number in range(1, count + 1):
        again = restarted(first, after=number * step)
        judge.judge(again)
    return again


def test_a_loop_is_reported_once_and_once_when_it_is_over() -> None:
    judge = Judge()
    last = looping(judge, LOOP + 4)
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    assert (alert.class_, alert.facts[0].seen) == (
        AlertClass.OPERATIONAL,
        f"{LOOP} restarts in 10 minutes",
    )
    judge.tick(last.time + CALM - SECOND, OFFSET)
    assert alerts_of(judge) == []
    judge.tick(last.time + CALM + SECOND, OFFSET)
    (over,) = alerts_of(judge)
    assert (over.state, over.id) == (AlertState.RESOLVED, alert.id)


def test_a_loop_that_was_suppressed_is_silent_when_it_is_over_and_when_it_begins_again() -> None:
    judge = Judge()
    last = looping(judge, LOOP)
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    until = LATER + 30 * 24 * HOUR
    judge.alerting.book.suppress(alert.id, "root", "a lab", until, judge.moment(last.time, OFFSET))
    judge.take_alerts()
    judge.tick(last.time + CALM + SECOND, OFFSET)
    later = restarted(last, after=24 * HOUR)
    for number in range(LOOP):
        judge.judge(restarted(later, after=number * SECOND))
    assert alerts_of(judge) == []
    (entry,) = judge.alerting.book.entries()
    assert (entry.state, entry.count) == (AlertState.SUPPRESSED, 2)


def successor_of(judge: Judge) -> Judge:
    successor = Judge()
    successor.restore(rows_of(judge))
    successor.take_alerts()
    return successor


def test_a_loop_that_ends_under_the_next_agent_is_reported_too() -> None:
    judge = Judge()
    last = looping(judge, LOOP)
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    successor = successor_of(judge)
    # It does not know when the last restart was: calm begins with its first tick.
    successor.tick(last.time + 2 * CALM, OFFSET)
    successor.judge(restarted(last, after=2 * CALM + CALM // 2))
    successor.tick(last.time + 3 * CALM + SECOND, OFFSET)
    assert alerts_of(successor) == []
    successor.tick(last.time + 4 * CALM, OFFSET)
    (over,) = alerts_of(successor)
    assert (over.state, over.id) == (AlertState.RESOLVED, alert.id)


def test_restarts_that_are_far_apart_are_not_a_loop() -> None:
    judge = Judge()
    looping(judge, LOOP + 4, step=200 * SECOND)
    assert of(alerts_of(judge), Finding.CRASH_LOOP) == []


def replica(number: int, after: int = 0) -> Event:
    first = pod_start(f"web-7d4b9c6f5d-bcd{'bcdfghjk'[number]}x", uid=f"uid-{number}", at=LATER)
    return restarted(first, Trigger.ORCHESTRATOR, after=after) if after else first


def test_replicas_that_restart_once_each_are_not_a_loop() -> None:
    judge = Judge()
    for number in range(LOOP):
        judge.judge(replica(number))
    for number in range(LOOP):
        judge.judge(replica(number, after=(number + 1) * SECOND))
    assert of(alerts_of(judge), Finding.CRASH_LOOP) == []
    for turn in range(LOOP):
        judge.judge(replica(0, after=(20 + turn) * SECOND))
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    assert alert.workload == "k8s/shop/web"


def test_a_loop_ends_though_other_replicas_restart() -> None:
    judge = Judge()
    for turn in range(LOOP):
        judge.judge(replica(0, after=(turn + 1) * SECOND))
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    other = replica(1, after=CALM // 2)
    judge.judge(other)
    judge.tick(other.time + CALM // 2 + LOOP * SECOND + SECOND, OFFSET)
    (over,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    assert (over.state, over.id) == (AlertState.RESOLVED, alert.id)


def test_tasks_of_a_service_that_follow_each_other_are_a_loop() -> None:
    judge = Judge()
    labels = (("com.docker.swarm.service.name", "shop_web"),)
    for number in range(LOOP + 1):
        task = "k3m2x9q7w5e1r8t6y4u2i0o9" + "abcdefgh"[number]
        place = Orchestrator("swarm", None, f"shop_web.1.{task}", container="svc")
        event = start(f"shop_web.1.{task}", labels=labels, pod=place, at=LATER)
        judge.judge(restarted(event, Trigger.ORCHESTRATOR, after=number * SECOND))
    (alert,) = of(alerts_of(judge), Finding.CRASH_LOOP)
    assert alert.workload == "swarm/shop_web"


def test_restarts_before_the_clock_was_set_back_do_not_count() -> None:
    judge = Judge()
    first = start("web", at=LATER)
    for number in range(1, LOOP):
        judge.judge(restarted(first, after=number * SECOND))
    back = restarted(first, after=2 * LOOP * SECOND)
    judge.judge(replace(back, realtime_offset=back.realtime_offset - HOUR))
    assert of(alerts_of(judge), Finding.CRASH_LOOP) == []


def test_many_workloads_that_restart_at_once_are_one_storm() -> None:
    judge = Judge()
    for number in range(15):
        first = start(f"service-{'abcdefghijklmnopq'[number]}", at=LATER)
        judge.judge(first)
        judge.judge(restarted(first, after=number * SECOND))
    (alert,) = of(alerts_of(judge), Finding.RESTART_STORM)
    assert alert.facts[0].expected == "at most 10"
    successor = successor_of(judge)
    for after in (0, 2 * CALM):
        successor.tick(LATER - OFFSET + after, OFFSET)
    (over,) = of(alerts_of(successor), Finding.RESTART_STORM)
    assert (over.state, over.id) == (AlertState.RESOLVED, alert.id)


def test_restarts_after_the_boot_of_node_or_engine_are_not_a_storm() -> None:
    judge = Judge()
    boots = [start(f"boot-{letter}", at=LATER) for letter in "abcdefghijklmnop"]
    for event in boots:
        judge.judge(event)
        judge.judge(restarted(event, Trigger.ENGINE_BOOT))
    for event in boots:
        judge.judge(restarted(event, after=120 * SECOND))
    assert of(alerts_of(judge), Finding.RESTART_STORM) == []


def test_starts_that_fail_again_and_again() -> None:
    judge = Judge()
    for number in range(5):
        failed = replace(
            start("broken", at=LATER + number * SECOND),
            type=EventType.START_FAILED,
            id=f"f{number}",
            start=None,
            stop=Stop(exit_code=127),
        )
        judge.judge(failed)
    (alert,) = of(alerts_of(judge), Finding.FAILED_STARTS)
    assert alert.facts[0].seen == "5 in 10 minutes"


def test_tasks_of_a_service_that_fail_one_after_the_other() -> None:
    judge = Judge()
    labels = (("com.docker.swarm.service.name", "shop_web"),)
    for number in range(5):
        task = "k3m2x9q7w5e1r8t6y4u2i0o9" + "abcdefgh"[number]
        place = Orchestrator("swarm", None, f"shop_web.1.{task}", container="svc")
        event = start(f"shop_web.1.{task}", labels=labels, pod=place, at=LATER + number * SECOND)
        judge.judge(
            replace(event, type=EventType.START_FAILED, start=None, stop=Stop(exit_code=127))
        )
    (alert,) = of(alerts_of(judge), Finding.FAILED_STARTS)
    assert alert.facts[0].seen == "5 in 10 minutes"


def test_a_storm_of_all_that_is_remembered_is_one_on_a_node_of_any_size() -> None:
    book = AlertBook()
    watch = Operational(book)
    for number in range(SUBJECTS_MAX):
        event = restarted(
            start(f"s-{number // 99}-{number % 99}", at=LATER + number * SECOND // 10)
        )
        facts = facts_of(event)
        assert facts is not None
        watch.on_start(facts, features_of(facts, lambda _: None, 30), event, 50_000, learning=False)
    (alert,) = [one.alert for one in book.events if one.alert is not None]
    assert alert.finding is Finding.RESTART_STORM


def test_a_burst_of_first_starts_by_one_initiator_is_one_alert_of_security() -> None:
    judge = known_node()
    for number in range(BURST_LEAST + 10):
        event = start(f"job-{number}", at=NOW + number * SECOND, by=initiator("alice"))
        judge.judge(running(event, "x"))
    found = of(alerts_of(judge), Finding.BURST)
    assert [one.state for one in found][:1] == [AlertState.NEW]
    assert len({one.id for one in found}) == 1
    assert found[0].class_ is AlertClass.SECURITY


def test_a_burst_of_all_that_is_remembered_is_one_whatever_there_was_before() -> None:
    book = AlertBook()
    watch = Operational(book)
    watch.restore({(BURST_ROW, "login alice"): json.dumps([0, 0, SUBJECTS_MAX]).encode()})
    for number in range(SUBJECTS_MAX):
        event = start("job", at=LATER + number * SECOND // 10, by=initiator("alice"))
        facts = facts_of(event)
        assert facts is not None
        features = features_of(facts, lambda _: None, 30)
        watch.on_start(facts, features, event, 0, learning=False)
    (alert,) = [one.alert for one in book.events if one.alert is not None]
    assert alert.finding is Finding.BURST


def test_twice_the_most_ever_is_allowed() -> None:
    judge = Judge()
    for day in range(2):
        for number in range(18 + day * 15):
            at = NOW + day * 24 * HOUR + number * SECOND
            judge.judge(start(f"job-{number}", at=at, by=initiator("alice")))
    assert of(alerts_of(judge), Finding.BURST) == []

"""Loops, storms, failures and floods are reported once, and their end too."""

from __future__ import annotations

from dataclasses import replace

from sensor.judge.findings import burst, crash_loop
from sensor.judge.judge import Judge
from sensor.judge.operational import MINUTE
from sensor.model.alert import Alert, AlertClass, AlertState
from sensor.model.events import Event, Stop
from sensor.model.vocabulary import EventType, Finding, Trigger
from tests.judge.past import alerts_of, known_node, running
from tests.judge.samples import HOUR, NOW, OFFSET, SECOND, initiator, restarted, start

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


def test_restarts_that_are_far_apart_are_not_a_loop() -> None:
    judge = Judge()
    looping(judge, LOOP + 4, step=200 * SECOND)
    assert of(alerts_of(judge), Finding.CRASH_LOOP) == []


def test_many_workloads_that_restart_at_once_are_one_storm() -> None:
    judge = Judge()
    for number in range(15):
        first = start(f"service-{'abcdefghijklmnopq'[number]}", at=LATER)
        judge.judge(first)
        judge.judge(restarted(first, after=number * SECOND))
    (alert,) = of(alerts_of(judge), Finding.RESTART_STORM)
    assert alert.facts[0].expected == "at most 10"


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


def test_a_burst_of_first_starts_by_one_initiator_is_one_alert_of_security() -> None:
    judge = known_node()
    for number in range(BURST_LEAST + 10):
        event = start(f"job-{number}", at=NOW + number * SECOND, by=initiator("alice"))
        judge.judge(running(event, "x"))
    found = of(alerts_of(judge), Finding.BURST)
    assert [one.state for one in found][:1] == [AlertState.NEW]
    assert len({one.id for one in found}) == 1
    assert found[0].class_ is AlertClass.SECURITY


def test_twice_the_most_ever_is_allowed() -> None:
    judge = Judge()
    for day in range(2):
        for number in range(18 + day * 15):
            at = NOW + day * 24 * HOUR + number * SECOND
            judge.judge(start(f"job-{number}", at=at, by=initiator("alice")))
    assert of(alerts_of(judge), Finding.BURST) == []

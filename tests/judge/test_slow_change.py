"""Small novelties of one initiator add up within a week."""

from __future__ import annotations

from sensor.judge.findings import slow_change
from sensor.judge.slow_change import INITIATORS_MAX, SECONDS_PER_DAY, SlowChange
from sensor.model.alert import AlertState, Fact, Strength
from sensor.model.vocabulary import Finding
from tests.judge.past import DAY, alerts_of, known_node, running, verdict_of
from tests.judge.samples import NOW, initiator, start

FACTS = slow_change.FACTS.default
WINDOW = slow_change.DAYS.default * SECONDS_PER_DAY


def fact(number: int) -> Fact:
    return Fact("workload", "known", str(number), "node", Strength.WEAK)


def test_five_different_ones_within_a_week_make_an_alert_that_lists_them() -> None:
    slow = SlowChange()
    for number in range(FACTS - 1):
        assert slow.add("alice", [fact(number), fact(number)], number) == ()
        assert slow.add("alice", [fact(number)], number) == ()
    assert slow.add("alice", [fact(99)], 5) == (*map(fact, range(FACTS - 1)), fact(99))
    assert slow.add("alice", [fact(99)], 6) == ()


def test_who_goes_on_after_the_alert_is_seen_to_go_on() -> None:
    slow = SlowChange()
    for number in range(FACTS):
        slow.add("alice", [fact(number)], number)
    assert slow.add("alice", [fact(99)], 6)[-1] == fact(99)
    assert slow.add("alice", [fact(100)], 6 + WINDOW) == ()


def test_older_ones_do_not_count() -> None:
    slow = SlowChange()
    for number in range(FACTS):
        assert slow.add("alice", [fact(number)], number * (WINDOW // 3)) == ()


def test_what_was_counted_outlasts_the_judge_and_is_bounded() -> None:
    slow = SlowChange()
    for number in range(INITIATORS_MAX + 3):
        slow.add(f"who {number}", [fact(1)], number)
    rows = {(kind, key): row for kind, key, row in slow.rows if row is not None}
    gone = [key for _, key, row in slow.rows if row is None]
    assert gone == ["who 0", "who 1", "who 2"]
    successor = SlowChange()
    assert successor.restore(rows) == []
    who = f"who {INITIATORS_MAX}"
    found = [successor.add(who, [fact(number)], 600 + number) for number in range(2, 6)]
    assert len(found[-1]) == FACTS
    assert successor.restore({("slow", "x"): b"[[1]]"}) == [("slow", "x")]


def test_a_patient_person_is_seen() -> None:
    judge = known_node()
    for day in range(FACTS):
        image = f"registry.example.com/shop/tool{day}:1"
        event = start(f"tool-{'abcde'[day]}", image, by=initiator("alice"), at=NOW + day * DAY)
        assert verdict_of(judge, running(event, "x")).findings == ()
    (alert,) = alerts_of(judge)
    assert (alert.finding, len(alert.facts)) == (Finding.SLOW_CHANGE, FACTS)
    later = start(
        "tool-z", "registry.example.com/shop/z:1", by=initiator("alice"), at=NOW + 5 * DAY
    )
    verdict_of(judge, running(later, "x"))
    (again,) = alerts_of(judge)
    assert (again.id, again.state, again.start) == (alert.id, AlertState.UPDATE, later.id)

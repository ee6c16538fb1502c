"""Alerts are grouped, counted, held back and never lost; what they hold back is learnt in time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sensor.judge.alert_book import ALERTS_MAX, RESOLVED_AFTER, AlertBook
from sensor.judge.alert_event import group_of
from sensor.judge.alert_rate import NEW_PER_HOUR
from sensor.judge.alert_recurrence import FACTS_MAX, STARTS_MAX, WHILE_LEARNING
from sensor.judge.alert_row import entry_of_row, entry_row
from sensor.judge.feature import Feature
from sensor.judge.lesson import TermKey
from sensor.judge.quarantine import HELD_MAX, Quarantine
from sensor.judge.tuning import RELEASE_DAYS
from sensor.model.alert import AlertSeverity, AlertState, Fact, Strength
from sensor.model.events import Event
from sensor.model.vocabulary import EventType, Finding
from sensor.schema.document import document
from tests.judge.past import DAY, alerts_of, known_node, rows_of, verdict_of, web
from tests.judge.samples import HOUR, NOW, SECOND, initiator, start

FACT = Fact("initiator", "login alice", "login mallory", "node", Strength.STRONG)
OTHER = replace(FACT, seen="login eve")
MALLORY = initiator("mallory")


def raised(
    book: AlertBook, value: str = "x", at: int = NOW, fact: Fact = FACT, **more: Any
) -> list[AlertState]:
    book.raise_(Finding.NEW_PERSON, value, (fact,), start("web", at=at), **more)
    states = [one.alert.state for one in book.events if one.alert is not None]
    book.events.clear()
    return states


def moment(at: int) -> Event:
    return replace(start("web", at=at), type=EventType.SENSOR, container=None, start=None)


def test_the_same_again_is_counted_and_said_once_a_day_and_at_milestones() -> None:
    book = AlertBook()
    assert raised(book) == [AlertState.NEW]
    assert raised(book) == []
    assert raised(book, at=NOW + DAY) == [AlertState.UPDATE]
    assert [raised(book, at=NOW + DAY) for _ in range(6)] == [[]] * 6
    assert raised(book, at=NOW + DAY) == [AlertState.UPDATE]
    assert book.entries()[0].count == 10


def test_an_alert_knows_its_first_starts_and_one_of_an_earlier_version_none() -> None:
    book = AlertBook()
    for _ in range(STARTS_MAX + 1):
        raised(book)
    entry = book.entries()[0]
    assert (len(set(entry.starts)), entry.count) == (STARTS_MAX, STARTS_MAX + 1)
    assert entry_of_row(entry_row(entry)) == entry
    earlier = json.dumps(json.loads(entry_row(entry))[:-1]).encode()
    assert entry_of_row(earlier) == replace(entry, starts=())


def test_a_new_fact_of_a_known_group_is_said_at_once() -> None:
    book = AlertBook()
    raised(book)
    assert raised(book, fact=OTHER) == [AlertState.UPDATE]
    assert book.entries()[0].facts == (FACT, OTHER)


def weak(number: int) -> Fact:
    return replace(FACT, feature="tag", seen=str(number), strength=Strength.WEAK)


def test_what_is_new_about_a_known_group_is_in_its_event_however_much_there_was() -> None:
    book = AlertBook()
    raised(book)
    for number in range(2 * FACTS_MAX):
        assert raised(book, fact=weak(number)) == [AlertState.UPDATE]
        entry = book.entries()[0]
        assert len(entry.facts) <= FACTS_MAX
        assert weak(number) in entry.facts
        # What is strong outlasts what is weak.
        assert FACT in entry.facts
    assert raised(book, fact=weak(2 * FACTS_MAX - 1)) == []


def test_so_many_events_an_hour_say_what_is_new_and_the_last_of_it_waits() -> None:
    book = AlertBook()
    raised(book)
    reported = sum(len(raised(book, fact=weak(number))) for number in range(NEW_PER_HOUR + 30))
    # The tenth is reported for its number.
    assert reported == NEW_PER_HOUR + 1
    # An alert that is new does not wait for them.
    assert raised(book, "another") == [AlertState.NEW]
    book.tick(moment(NOW + HOUR))
    (event,) = book.events
    assert event.alert is not None
    assert event.alert.count == NEW_PER_HOUR + 31
    assert weak(NEW_PER_HOUR + 29) in event.alert.facts
    book.events.clear()
    book.tick(moment(NOW + 2 * HOUR))
    assert book.events == []


def test_an_alert_becomes_as_grave_as_the_gravest_of_its_starts() -> None:
    book = AlertBook()
    raised(book, severity=AlertSeverity.MEDIUM)
    assert raised(book, severity=AlertSeverity.LOW) == []
    assert raised(book, severity=AlertSeverity.HIGH) == [AlertState.UPDATE]
    assert raised(book, severity=AlertSeverity.MEDIUM) == []
    assert book.entries()[0].severity is AlertSeverity.HIGH


def test_an_alert_that_waits_is_reported_once_and_as_new() -> None:
    book = AlertBook()
    for number in range(NEW_PER_HOUR):
        raised(book, str(number))
    assert raised(book, "late") == raised(book, "late", fact=OTHER) == []
    book.tick(moment(NOW + HOUR))
    (event,) = book.events
    assert event.alert is not None
    assert (event.alert.state, event.alert.count) == (AlertState.NEW, 2)
    assert event.alert.facts == (FACT, OTHER)


def test_an_alert_that_was_settled_before_its_hour_is_reported_no_more() -> None:
    book = AlertBook()
    for number in range(NEW_PER_HOUR + 1):
        raised(book, str(number))
    (waiting,) = [one for one in book.entries() if not one.reported]
    assert book.acknowledge(waiting.id, "alice", "CHG-7", moment(NOW)) is not None
    book.events.clear()
    book.tick(moment(NOW + HOUR))
    assert book.events == []
    assert all(one.reported for one in book.entries())


def test_what_was_acknowledged_while_learning_does_not_hide_another_value() -> None:
    book = AlertBook()
    raised(book, WHILE_LEARNING)
    assert book.acknowledge(book.entries()[0].id, "alice", "ours", moment(NOW)) is not None
    book.events.clear()
    assert raised(book, WHILE_LEARNING) == []
    assert raised(book, WHILE_LEARNING, fact=OTHER) == [AlertState.UPDATE]


def test_what_is_over_stays_over_when_it_is_acknowledged() -> None:
    book = AlertBook()
    raised(book)
    id_ = book.entries()[0].id
    book.resolve(Finding.NEW_PERSON, "x", moment(NOW), "over")
    entry = book.acknowledge(id_, "alice", "seen", moment(NOW))
    assert entry is not None
    assert book.events[-1].alert is not None
    assert book.events[-1].alert.state is AlertState.ACKNOWLEDGED
    book.events.clear()
    assert raised(book, at=NOW + SECOND) == [AlertState.NEW]


def test_a_group_is_named_without_the_host() -> None:
    first, second = AlertBook(), AlertBook()
    for book, name in ((first, "machine-1"), (second, "machine-2")):
        event = start("web")
        assert event.host is not None
        host = replace(event.host, machine_id=name)
        book.raise_(Finding.NEW_PERSON, "x", (FACT,), replace(event, host=host))
    one, other = first.events[0].alert, second.events[0].alert
    assert one is not None
    assert other is not None
    assert one.group == other.group == group_of(Finding.NEW_PERSON, "x")
    assert one.id != other.id


def test_more_than_so_many_an_hour_wait_and_none_is_lost() -> None:
    book = AlertBook()
    reported = sum(len(raised(book, str(number))) for number in range(NEW_PER_HOUR + 30))
    assert (reported, book.held_back) == (NEW_PER_HOUR, 30)
    book.tick(moment(NOW + HOUR))
    assert len(book.events) == 30


def test_what_waits_is_reported_by_the_next_agent_after_a_kill() -> None:
    book = AlertBook()
    for number in range(NEW_PER_HOUR + 1):
        raised(book, str(number))
    successor = AlertBook()
    successor.restore({(kind, key): row for kind, key, row in book.rows if row})
    successor.tick(moment(NOW + HOUR))
    assert [one.alert.count for one in successor.events if one.alert is not None] == [1]


def test_so_many_are_remembered_and_open_ones_go_last() -> None:
    book = AlertBook()
    raised(book, "kept")
    id_ = book.entries()[0].id
    raised(book, "done")
    book.resolve(Finding.NEW_PERSON, "done", moment(NOW + SECOND), "over")
    for number in range(ALERTS_MAX - 1):
        raised(book, str(number), at=NOW + HOUR)
    assert book.get(id_) is not None
    assert len(book.entries()) == ALERTS_MAX
    assert book.dropped == 1


def test_acknowledging_is_an_event_with_its_author_and_keeps_recurrences_silent() -> None:
    book = AlertBook()
    raised(book)
    id_ = book.entries()[0].id
    entry = book.acknowledge(id_[:8], "alice", "CHG-7", moment(NOW))
    assert entry is not None
    event = book.events.pop()
    assert event.alert is not None
    assert (event.alert.state, event.alert.by, event.alert.reason, event.alert.id) == (
        AlertState.ACKNOWLEDGED,
        "alice",
        "CHG-7",
        id_,
    )
    assert raised(book, at=NOW + DAY) == []
    assert book.suppressed == 1
    assert book.acknowledge("no such", "alice", "x", moment(NOW)) is None


def test_tampering_after_one_that_was_acknowledged_is_a_new_alert() -> None:
    book = AlertBook()
    event = moment(NOW)
    book.raise_(Finding.SENSOR_TAMPERING, "agent killed", (FACT,), event)
    first = book.entries()[0].id
    book.acknowledge(first, "alice", "our test", event)
    book.events.clear()
    later = moment(NOW + SECOND)
    book.raise_(Finding.SENSOR_TAMPERING, "agent killed", (FACT,), later)
    (again,) = book.events
    assert again.alert is not None
    assert (again.alert.state, again.alert.count) == (AlertState.NEW, 1)
    assert again.alert.id != first
    book.suppress(again.alert.id, "root", "a week of tests", NOW + DAY, later)
    book.events.clear()
    book.raise_(Finding.SENSOR_TAMPERING, "agent killed", (FACT,), moment(NOW + 2 * SECOND))
    assert book.events == []


def test_a_suppression_ends() -> None:
    book = AlertBook()
    raised(book)
    id_ = book.entries()[0].id
    assert book.suppress(id_, "root", "noise", NOW + 2 * DAY, moment(NOW)) is not None
    book.events.clear()
    assert raised(book, at=NOW + DAY) == []
    assert raised(book, at=NOW + 3 * DAY) == [AlertState.UPDATE]


def test_a_suppression_lasts_though_the_alert_is_not_seen_for_long() -> None:
    book = AlertBook()
    raised(book)
    book.suppress(book.entries()[0].id, "root", "a job", NOW + 90 * DAY, moment(NOW))
    book.events.clear()
    book.tick(moment(NOW + RESOLVED_AFTER + DAY))
    assert raised(book, at=NOW + RESOLVED_AFTER + 2 * DAY) == []
    book.tick(moment(NOW + 91 * DAY))
    assert [one.alert.state for one in book.events if one.alert] == [AlertState.RESOLVED]


def test_what_is_not_seen_again_is_resolved_and_a_new_one_is_new() -> None:
    book = AlertBook()
    raised(book)
    book.tick(moment(NOW + RESOLVED_AFTER + SECOND))
    assert [one.alert.state for one in book.events if one.alert] == [AlertState.RESOLVED]
    book.events.clear()
    assert raised(book, at=NOW + RESOLVED_AFTER + HOUR) == [AlertState.NEW]


def test_an_alert_is_read_back_as_it_was() -> None:
    book = AlertBook()
    terms = (TermKey(None, Feature.INITIATOR, "login x"), TermKey("w/a", Feature.TAG, "\n"))
    raised(book, terms=terms)
    entry = book.entries()[0]
    assert entry_of_row(entry_row(entry)) == entry
    for wrong in (b"[]", b"{", b"[2]", b"null", entry_row(entry).replace(b"new-person", b"what")):
        with pytest.raises(ValueError):  # noqa: PT011 - any of its kinds
            entry_of_row(wrong)


def test_an_alert_carries_its_start_and_its_verdict() -> None:
    judge = known_node()
    event = web(by=MALLORY)
    verdict_of(judge, event)
    (found,) = judge.take_alerts()
    assert found.type is EventType.ALERT
    assert found.alert is not None
    assert (found.alert.start, found.container) == (event.id, event.container)
    assert found.verdict is not None
    assert found.verdict.findings == (Finding.NEW_PERSON,)
    written = document(found)
    assert isinstance(written["alert"], dict)


def test_what_raised_an_alert_is_learnt_after_it_was_reported_on_three_more_days() -> None:
    judge = known_node()
    for day in range(RELEASE_DAYS.default + 1):
        assert verdict_of(judge, web(by=MALLORY, at=NOW + day * DAY)).findings
        assert len(alerts_of(judge)) == 1
    assert verdict_of(judge, web(by=MALLORY, at=NOW + 5 * DAY)).expected is True


def test_what_is_acknowledged_as_expected_is_learnt_at_once() -> None:
    judge = known_node()
    verdict_of(judge, web(by=MALLORY))
    (alert,) = alerts_of(judge)
    assert judge.alerting.released(alert.id, NOW // SECOND) > 0
    assert verdict_of(judge, web(by=MALLORY, at=NOW + HOUR)).expected is True


def test_the_same_start_again_after_a_kill_makes_the_same_alert() -> None:
    judge = known_node()
    for _ in range(3):
        verdict_of(judge, web())
    judge = known_node()
    event = web(by=MALLORY)
    verdict_of(judge, event)
    first = judge.take_alerts()
    again = known_node()
    verdict_of(again, event)
    assert [one.id for one in again.take_alerts()] == [one.id for one in first]


def test_alerts_outlast_the_judge() -> None:
    judge = known_node()
    verdict_of(judge, web(by=MALLORY))
    successor = known_node()
    successor.restore(rows_of(judge))
    assert len(successor.alerting.book.entries()) == 1
    verdict_of(successor, web(by=MALLORY))
    assert successor.alerting.book.entries()[0].count == 2


def test_a_value_that_is_held_back_is_written_once_a_day() -> None:
    held = Quarantine()
    term = TermKey(None, Feature.INITIATOR, "mallory")
    for at in (0, 60, DAY // SECOND + 60, 120):
        held.hold((term,), at)
    assert [row for _, _, row in held.rows] == [b"[1, 0]", b"[2, 1]"]
    assert held.items() == ((term, 2),)


def test_so_many_values_are_held_back() -> None:
    held = Quarantine()
    terms = [TermKey(None, Feature.INITIATOR, str(number)) for number in range(HELD_MAX + 5)]
    assert held.hold(terms, 0) == ()
    assert len(held) == HELD_MAX
    successor = Quarantine()
    assert successor.restore({(kind, key): row for kind, key, row in held.rows if row}) == []
    assert dict(successor.items())[terms[-1]] == 1
    assert successor.restore({("held", "x"): b"1"}) == [("held", "x")]

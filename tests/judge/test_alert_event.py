"""Ids of alerts: one of a group on every host, another for each alert and each change of it."""

from __future__ import annotations

from dataclasses import replace

from sensor.judge.alert_event import REASONS_MAX, alert_event, alert_id, group_of
from sensor.judge.alert_row import AlertEntry
from sensor.model.alert import AlertSeverity, AlertState, Fact, Strength
from sensor.model.vocabulary import EventType, Finding
from tests.judge.past import DAY, web
from tests.judge.samples import NOW

FACTS = tuple(
    Fact("privilege", "none", f"device:/dev/{number}", "node", Strength.STRONG)
    for number in range(REASONS_MAX + 2)
)
ENTRY = AlertEntry(
    "a" * 32, Finding.SENSOR_TAMPERING, "pins", AlertSeverity.HIGH, AlertState.NEW, None, None,
    count=1, first=NOW, last=NOW, days=1, reported=1, facts=FACTS,
)  # fmt: skip


def test_a_group_is_known_by_finding_and_value_alone() -> None:
    group = group_of(Finding.SENSOR_TAMPERING, "pins")
    assert group == group_of(Finding.SENSOR_TAMPERING, "pins")
    assert group != group_of(Finding.SENSOR_TAMPERING, "rules")
    assert group != group_of(Finding.HIDDEN_START, "pins")
    # A separator in a value makes no other value of it.
    assert group_of(Finding.BURST, "a\0b") != group_of(Finding.BURST, "a")


def test_an_alert_has_the_same_id_from_the_same_source_and_another_one_later() -> None:
    source = web()
    assert alert_id(source, "g", NOW) == alert_id(source, "g", NOW)
    assert alert_id(source, "g", NOW) != alert_id(source, "g", NOW + DAY)
    assert alert_id(source, "g", NOW) != alert_id(source, "h", NOW)


def test_each_change_of_an_alert_is_an_event_of_its_own_that_says_the_facts() -> None:
    source = web()
    first = alert_event("g", ENTRY, source)
    again = alert_event("g", replace(ENTRY, count=2, state=AlertState.UPDATE), source)
    assert first.type is EventType.ALERT
    assert first.id != again.id
    assert first.alert is not None
    assert first.alert.facts == FACTS
    assert first.verdict is not None
    assert first.verdict.reasons == tuple(one.sentence for one in FACTS[:REASONS_MAX])

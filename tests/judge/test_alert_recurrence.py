"""An alert that is seen again: what makes it another one, and what it gains within its limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensor.judge.alert_recurrence import (
    FACTS_MAX,
    STARTS_MAX,
    WHILE_LEARNING,
    graver,
    has_new,
    is_over,
    is_suppressed,
    latest,
    state_again,
    with_start,
)
from sensor.judge.alert_row import AlertEntry
from sensor.model.alert import AlertSeverity, AlertState, Fact, Strength
from sensor.model.vocabulary import EventType, Finding
from tests.judge.past import web
from tests.judge.samples import NOW

STRONG = Fact("privilege", "none", "device:/dev/kvm", "node", Strength.STRONG)
WEAK = tuple(
    Fact("hour", "by day", f"{number} h", "node", Strength.WEAK) for number in range(FACTS_MAX)
)
ENTRY = AlertEntry(
    "a" * 32, Finding.BURST, "pins", AlertSeverity.HIGH, AlertState.NEW, None, None,
    count=1, first=NOW, last=NOW, days=1, reported=1, facts=(STRONG,),
)  # fmt: skip


def test_of_too_many_facts_the_weak_ones_go_first() -> None:
    found = latest((STRONG, *WEAK[:-1]), WEAK[-1:])
    assert len(found) == FACTS_MAX
    assert STRONG in found
    assert WEAK[-1] in found
    assert WEAK[0] not in found


def test_a_fact_that_is_known_is_nothing_new() -> None:
    assert not has_new(ENTRY, (STRONG,))
    assert has_new(ENTRY, (STRONG, WEAK[0]))


def test_starts_alone_are_known_by_their_ids_and_only_so_many() -> None:
    start = web()
    assert with_start((), start) == (start.id,)
    assert with_start((start.id,), start) == (start.id,)
    assert with_start((), replace(start, type=EventType.STOP)) == ()
    full = tuple(str(number) for number in range(STARTS_MAX))
    assert with_start(full, start) == full


def test_what_was_done_once_is_over_when_it_is_acknowledged() -> None:
    done = replace(ENTRY, state=AlertState.ACKNOWLEDGED)
    assert not is_over(done)
    assert is_over(replace(done, finding=Finding.SENSOR_TAMPERING))
    assert is_over(replace(ENTRY, state=AlertState.RESOLVED))


def test_a_suppressed_alert_is_silent_for_its_time_alone() -> None:
    silent = replace(ENTRY, state=AlertState.SUPPRESSED, until=NOW + 1)
    assert is_suppressed(silent, NOW)
    assert not is_suppressed(silent, NOW + 1)
    assert state_again(silent, (STRONG,), NOW) is AlertState.SUPPRESSED
    assert state_again(silent, (STRONG,), NOW + 1) is AlertState.UPDATE


def test_what_was_acknowledged_while_learning_does_not_cover_another_value() -> None:
    learnt = replace(ENTRY, state=AlertState.ACKNOWLEDGED, value=f"hour {WHILE_LEARNING}")
    assert state_again(learnt, (STRONG,), NOW) is AlertState.ACKNOWLEDGED
    assert state_again(learnt, (WEAK[0],), NOW) is AlertState.UPDATE


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(-9, "low"), (-1, "medium"), (0, "high"), (1, "critical"), (9, "critical")],
)
def test_severities_have_ends(steps: int, expected: str) -> None:
    assert graver(AlertSeverity.HIGH, steps) == expected

"""What the node has seen is counted by days, kept in bounds, and written when it changes."""

from __future__ import annotations

from collections import Counter

import pytest

from sensor.judge.baseline import Baseline
from sensor.judge.feature import Feature
from sensor.judge.node_terms import NODE_ROW, NODE_TERMS_MAX, NodeTerms
from sensor.judge.profile import SECONDS_PER_DAY, UNIT
from tests.judge.samples import NOW, SECOND, features

AT = NOW // SECOND


def test_the_node_knows_so_many_values_and_forgets_what_it_saw_on_one_day_first() -> None:
    baseline = Baseline()
    for day in range(2):
        baseline.node.learn(Feature.INITIATOR, "login alice", AT + day * SECONDS_PER_DAY)
    for number in range(NODE_TERMS_MAX + 10):
        baseline.node.learn(Feature.INITIATOR, f"login {number}", AT + 2 * SECONDS_PER_DAY + number)
    assert baseline.node.knows(Feature.INITIATOR, "login alice", AT)
    assert baseline.replaced[Feature.INITIATOR] == 11
    gone = [key for kind, key, value in baseline.rows if value is None]
    assert "initiator/login 0" in gone


def test_the_node_notes_a_value_once_a_day_and_a_workload_each_start() -> None:
    baseline, day = Baseline(), AT // SECONDS_PER_DAY * SECONDS_PER_DAY
    written = []
    for at in (day, day + 1, day + SECONDS_PER_DAY - 1, day + SECONDS_PER_DAY):
        baseline.rows.clear()
        baseline.learn(features("web", repository=None), at)
        written.append([key for kind, key, _ in baseline.rows if kind == NODE_ROW])
    assert [bool(keys) for keys in written] == [True, False, False, True]
    assert baseline.node.days(Feature.INITIATOR, "login alice", at) == 2
    profile = baseline.profile("w/name/web")
    assert profile is not None
    assert profile.starts == len(written)


def test_the_hours_of_people_are_counted_start_by_start() -> None:
    baseline = Baseline()
    for at in (AT, AT + 1):
        baseline.learn(features("web"), at, "weekday 09")
    ((_, term),) = baseline.node.items_of(Feature.HOUR)
    assert term.count == 2 * UNIT


def test_what_was_written_is_the_same_node_and_what_was_forgotten_is_gone() -> None:
    rows: list[tuple[str, str, bytes | None]] = []
    node = NodeTerms(rows, Counter())
    for number in range(3):
        node.learn(Feature.PRIVILEGE, f"device:/dev/{number}", AT + number)
    assert node.forget(Feature.PRIVILEGE, "device:/dev/1")
    assert not node.forget(Feature.PRIVILEGE, "device:/dev/1")
    assert node.lost == 1
    again = NodeTerms(None, Counter())
    for key, row in {key: row for _, key, row in rows}.items():
        if row is not None:
            again.restore(key, row)
    assert list(again.items()) == list(node.items())
    assert again.values(Feature.PRIVILEGE, AT) == ("device:/dev/2", "device:/dev/0")


@pytest.mark.parametrize("key", ["privilege", "", "no feature/x", "/x"])
def test_a_row_of_another_kind_is_refused(key: str) -> None:
    row = b"\0" * 16
    with pytest.raises(ValueError, match=r"not a term|is not a valid Feature"):
        NodeTerms(None, Counter()).restore(key, row)

"""Approved changes: used up, ended, kept, and bounded."""

from __future__ import annotations

import json

import pytest

from sensor.errors import ConfigError
from sensor.judge import ledger as ledgers
from sensor.judge.change import Change, ChangeState
from sensor.judge.change_text import of_file, of_json
from sensor.judge.judge import Judge
from sensor.judge.ledger import Ledger
from sensor.judge.policy_text import SourceText
from tests.judge.changes import ROOT
from tests.judge.past import rows_of
from tests.judge.samples import HOUR, NOW, OFFSET, SECOND, judged, restarted, start

DAY = 24 * HOUR


def change(id_: str = "CHG-1", /, *, now: int = NOW, **values: object) -> Change:
    body = {"id": id_, "by": "carol", "for_seconds": 7200, "name": "web", **values}
    return of_json(json.dumps(body).encode(), now, ROOT)


def notes(ledger: Ledger) -> list[tuple[str, str]]:
    return [(note.action, note.detail) for note in ledger.notes]


def test_a_change_that_is_used_up_is_reported_and_explains_no_more() -> None:
    judge = Judge()
    judge.ledger.add(change(max_starts=2), NOW)
    expected = [judged(judge, start("web")).expected for _ in range(3)]
    assert expected == [True, True, None]
    assert [note.action for note in judge.take_notes()] == ["change_added", "change_used_up"]
    (entry,) = judge.ledger.entries(NOW)
    assert (entry.state, entry.usage.starts) == (ChangeState.USED_UP, 2)


def test_a_start_that_is_read_again_after_a_kill_uses_no_change_twice() -> None:
    judge = Judge()
    judge.ledger.add(change(max_starts=2), NOW)
    event = start("web")
    assert [judged(judge, event).expected for _ in range(3)] == [True] * 3
    assert judge.ledger.entries(NOW)[0].usage.starts == 1


def test_a_start_that_used_a_change_up_is_covered_by_it_when_it_is_read_again() -> None:
    judge = Judge()
    for one in (change("A", max_starts=1), change("B"), change("C", for_seconds=60)):
        judge.ledger.add(one, NOW)
    event = start("web")
    verdict = judged(judge, event)
    assert verdict.change == "A,B,C"
    judge.tick(event.time + 120 * SECOND, OFFSET)
    assert judge.ledger.end("B", NOW + 130 * SECOND, "root")
    successor = Judge()
    successor.restore(rows_of(judge))
    for asked in (judge, successor):
        assert judged(asked, event) == verdict
        later = restarted(event, after=HOUR)
        assert judged(asked, later).explanation == "restart_policy"
        assert judged(asked, start("web", at=NOW + HOUR)).expected is None
    ended = [entry.usage.starts for entry in successor.ledger.entries(NOW)]
    assert ended == [1, 1, 1]


@pytest.mark.parametrize(("uses", "action"), [(0, "change_never_used"), (1, "change_expired")])
def test_the_end_of_a_change_is_reported_once(uses: int, action: str) -> None:
    judge = Judge()
    judge.ledger.add(change(), NOW)
    for _ in range(uses):
        judge.judge(start("web"))
    judge.take_notes()
    for later in (NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR):
        judge.tick(later, 0)
    assert [note.action for note in judge.take_notes()] == [action]
    assert judge.ledger.entries(NOW + 3 * HOUR)[0].state is ChangeState.EXPIRED


def test_a_change_is_ended_by_hand_once_and_by_a_person() -> None:
    ledger = Ledger()
    ledger.add(change(), NOW)
    assert ledger.end("CHG-1", NOW + SECOND, "dave")
    assert not ledger.end("CHG-1", NOW + SECOND, "dave")
    assert not ledger.end("CHG-2", NOW, None)
    assert ledger.notes[-1].by == "dave"
    ledger.tick(NOW + DAY)
    assert [action for action, _ in notes(ledger)] == ["change_added", "change_ended"]


def test_the_next_agent_knows_changes_and_their_use() -> None:
    judge = Judge()
    judge.ledger.add(change(max_starts=2, allows=["cap:*"], url="https://x/1"), NOW)
    judge.judge(start("web"))
    rows = {(kind, key): row for kind, key, row in judge.take_rows() if row is not None}
    successor = Judge()
    successor.restore(rows)
    assert successor.ledger.entries(NOW) == judge.ledger.entries(NOW)
    assert judged(successor, start("web")).expected is True
    assert judged(successor, start("web")).expected is None


def test_a_change_exists_once() -> None:
    ledger = Ledger()
    ledger.add(change(), NOW)
    with pytest.raises(ConfigError, match="exists already"):
        ledger.add(change(), NOW)


def test_ten_thousand_changes_are_bounded_and_the_oldest_that_ended_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "CHANGES_MAX", 50)
    ledger = Ledger()
    for number in range(50):
        ledger.add(change(f"OLD-{number}", now=NOW - number * SECOND), NOW - number * SECOND)
    later = NOW + 2 * HOUR - 40 * SECOND
    for number in range(10):
        ledger.add(change(f"NEW-{number}", now=later), later)
    kept = {entry.change.id for entry in ledger.entries(later)}
    assert len(kept) == 50
    assert {f"NEW-{number}" for number in range(10)} <= kept
    assert not {f"OLD-{number}" for number in range(40, 50)} & kept
    with pytest.raises(ConfigError, match="50 changes go on already"):
        ledger.add(change("ONE-MORE", now=later), later)


def test_files_replace_what_came_from_files() -> None:
    ledger = Ledger()
    text = (
        '[change.A]\nby = "x"\nname = "web"\nnot_before = 2026-11-30T09:00:00Z\n'
        "not_after = 2026-11-30T12:00:00Z\n"
    )
    first = of_file(SourceText("a.toml", text.encode()), NOW)
    assert ledger.set_files(first, NOW) == ()
    assert ledger.set_files(first, NOW + SECOND) == ()
    assert ledger.set_files((), NOW + 2 * SECOND) == ()
    assert notes(ledger) == [
        ("change_added", "A: approved by x"),
        ("change_ended", "A: gone from a.toml, 0 starts used it"),
    ]


def test_a_file_cannot_take_the_place_of_a_change_from_the_socket() -> None:
    ledger = Ledger()
    ledger.add(change("A"), NOW)
    text = (
        '[change.A]\nby = "x"\nnot_before = 2026-11-30T09:00:00Z\n'
        "not_after = 2026-11-30T12:00:00Z\n"
    )
    (refused,) = ledger.set_files(of_file(SourceText("a.toml", text.encode()), NOW), NOW)
    assert refused == "change A of a.toml exists in socket"
    assert ledger.entries(NOW)[0].change.by == "carol"


def of_text(path: str = "a.toml", end: str = "12:00", extra: str = "") -> tuple[Change, ...]:
    text = (
        '[change.A]\nby = "x"\nname = "web"\nnot_before = 2026-11-30T08:00:00Z\n'
        f"not_after = 2026-11-30T{end}:00Z\n{extra}\n"
    )
    return of_file(SourceText(path, text.encode()), NOW)


def with_files(*read: tuple[Change, ...]) -> Judge:
    judge = Judge()
    for changes in read:
        judge.ledger.set_files(changes, NOW)
    return judge


def test_an_id_of_a_change_that_is_over_may_be_used_again() -> None:
    judge = Judge()
    judge.ledger.add(change(max_starts=1), NOW)
    assert [judged(judge, start("web")).expected for _ in range(2)] == [True, None]
    judge.ledger.add(change(max_starts=1), NOW)
    assert [judged(judge, start("web")).expected for _ in range(2)] == [True, None]
    judge.ledger.add(change(), NOW)
    judge.ledger.end("CHG-1", NOW, None)
    judge.ledger.add(change(), NOW)
    later = NOW + 2 * HOUR
    judge.ledger.add(change(now=later), later)
    assert [note.action for note in judge.take_notes()][-4:] == [
        "change_ended",
        "change_added",
        "change_never_used",
        "change_added",
    ]


def test_an_id_of_a_file_is_the_files() -> None:
    ledger = with_files(of_text(end="09:00")).ledger
    with pytest.raises(ConfigError, match="exists already") as refused:
        ledger.add(change("A"), NOW)
    assert "a.toml" in refused.value.fix


def test_a_file_takes_the_id_of_a_change_that_is_over() -> None:
    judge = Judge()
    judge.ledger.add(change("A"), NOW)
    judge.ledger.end("A", NOW, None)
    assert judge.ledger.set_files(of_text(), NOW) == ()
    assert judged(judge, start("web")).change == "A"


def test_a_change_that_moves_to_another_file_goes_on() -> None:
    judge = with_files(of_text(extra="max_starts = 1"))
    assert judged(judge, start("web")).expected is True
    judge.take_notes()
    assert judge.ledger.set_files(of_text("b.toml", extra="max_starts = 1"), NOW) == ()
    assert judged(judge, start("web")).expected is None
    assert judge.take_notes() == ()
    assert judge.ledger.entries(NOW)[0].change.origin == "b.toml"


@pytest.mark.parametrize(
    ("before", "after", "covers"),
    [
        ({"end": "09:00"}, {"end": "12:00"}, True),
        ({"end": "12:00"}, {"end": "09:00"}, False),
        ({"extra": "max_starts = 1"}, {"extra": "max_starts = 2"}, True),
        ({"extra": "max_starts = 2"}, {"extra": "max_starts = 1"}, False),
        ({}, {"extra": 'login = "another"'}, False),
    ],
)
def test_a_file_that_is_rewritten_counts_as_it_stands_and_is_reported(
    before: dict[str, str], after: dict[str, str], *, covers: bool
) -> None:
    judge = with_files(of_text(**before))
    judged(judge, start("web"))
    judge.tick(NOW, 0)
    judge.take_notes()
    judge.ledger.set_files(of_text(**after), NOW)
    assert (judged(judge, start("web")).change == "A") is covers
    assert judge.take_notes()[0].detail.startswith("A: rewritten in a.toml, approved by x")


def test_a_change_that_was_ended_by_hand_stays_ended_whatever_its_file_says_later() -> None:
    judge = with_files(of_text())
    judge.ledger.end("A", NOW, "dave")
    judge.ledger.set_files(of_text(end="13:00"), NOW)
    assert judged(judge, start("web")).change is None


def test_the_next_agent_reports_no_change_of_a_file_anew() -> None:
    judge = with_files(of_text(extra="max_starts = 2"))
    judged(judge, start("web"))
    rows = {(kind, key): row for kind, key, row in judge.take_rows() if row is not None}
    successor = Judge()
    successor.restore(rows)
    successor.ledger.set_files(of_text(extra="max_starts = 2"), NOW + SECOND)
    assert successor.take_notes() == ()
    assert successor.ledger.entries(NOW) == judge.ledger.entries(NOW)


def test_nothing_is_left_of_a_change_whose_file_went_while_no_agent_ran() -> None:
    judge = with_files(of_text())
    judged(judge, start("web"))
    rows = {(kind, key): row for kind, key, row in judge.take_rows() if row is not None}
    rows["usage", "LONG-GONE"] = rows["usage", "A"]
    successor = Judge()
    successor.restore(rows)
    successor.ledger.set_files((), NOW)
    removed = {(kind, key) for kind, key, row in successor.take_rows() if row is None}
    assert removed == {("change", "A"), ("usage", "A"), ("usage", "LONG-GONE")}
    assert [note.action for note in successor.take_notes()] == ["change_ended"]


def test_what_a_file_would_bring_back_unused_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "CHANGES_MAX", 1)
    judge = with_files(of_text(extra="max_starts = 1"))
    judged(judge, start("web"))
    with pytest.raises(ConfigError, match="1 changes go on already"):
        judge.ledger.add(change(), NOW)
    assert judged(with_next(judge), start("web")).expected is None


def with_next(judge: Judge) -> Judge:
    judge.ledger.set_files(of_text(extra="max_starts = 1"), NOW)
    return judge


def test_a_change_that_was_used_up_long_ago_goes_before_one_that_has_just_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "CHANGES_MAX", 2)
    judge = Judge()
    judge.ledger.add(change("USED-UP", for_seconds=86_400, max_starts=1), NOW)
    judge.ledger.add(change("EXPIRED", for_seconds=3600), NOW)
    judged(judge, start("web"))
    later = NOW + HOUR
    judge.ledger.add(change("NEW", now=later), later)
    assert {entry.change.id for entry in judge.ledger.entries(later)} == {"EXPIRED", "NEW"}


def test_refusals_of_files_are_bounded() -> None:
    refused = Ledger().set_files(of_text() + of_text("b.toml") * 100, NOW)
    assert len(refused) == ledgers.REFUSED_MAX + 1
    assert refused[-1] == "84 more changes are refused for reasons like these"

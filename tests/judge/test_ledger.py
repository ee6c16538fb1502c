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
from tests.judge.samples import HOUR, NOW, SECOND, judged, start

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

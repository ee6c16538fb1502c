"""A walk over the log finds the first event that is missing or changed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.store.chain_walk import ChainProblem, ChainWalk, ProblemKind
from sensor.store.log import Store
from tests.evidence.logs import append, event, execute, make_log, rename, rewrite


def problems(path: Path, since: int | None = None) -> list[ChainProblem]:
    return [problem for kept in ChainWalk(path, since) for problem in kept.problems]


def places(path: Path) -> list[tuple[ProblemKind, int, int]]:
    return [(one.kind, one.first, one.last) for one in problems(path)]


def test_a_sound_log_has_no_problems(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    kept = list(ChainWalk(path))
    assert [one.number for one in kept] == list(range(1, 51))
    assert not problems(path)


def test_a_log_without_events_is_sound(tmp_path: Path) -> None:
    assert list(ChainWalk(make_log(tmp_path, 0))) == []


def test_a_changed_event_is_named(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    rewrite(path, 22, rename)
    assert places(path) == [(ProblemKind.CHANGED, 22, 22)]


def test_an_event_changed_with_its_own_digest_breaks_the_chain_behind_it(tmp_path: Path) -> None:
    path = make_log(tmp_path, 25)
    rewrite(path, 22, rename, digests=True)
    execute(path, "UPDATE event SET digest = zeroblob(32) WHERE link = 23")
    assert (ProblemKind.CHANGED, 23, 23) in places(path)


def test_a_chain_made_anew_contradicts_the_heads_that_the_log_carries(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    rewrite(path, 22, rename, digests=True)
    found = places(path)
    assert {kind for kind, _, _ in found} == {ProblemKind.HEAD}
    assert found[0][1:] == (29, 29)


def test_a_chain_made_anew_with_its_heads_is_consistent(tmp_path: Path) -> None:
    """Root can do this: only what was shipped before shows it."""
    path = make_log(tmp_path, 50)
    rewrite(path, 22, rename, digests=True, heads=True)
    assert not problems(path)


def test_events_that_were_deleted_are_a_hole(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    execute(path, "DELETE FROM event WHERE link BETWEEN 13 AND 15")
    (found,) = problems(path)
    assert (found.kind, found.first, found.last) == (ProblemKind.MISSING, 13, 15)
    assert found.explained is None


def test_events_deleted_at_the_beginning_are_not_retention(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    execute(path, "DELETE FROM event WHERE link <= 4")
    assert places(path) == [(ProblemKind.MISSING, 1, 4)]


def test_an_exchanged_anchor_is_seen(tmp_path: Path) -> None:
    path = make_log(tmp_path, 5)
    execute(path, "UPDATE anchor SET digest = zeroblob(32)")
    assert (ProblemKind.ANCHOR, 0, 0) in places(path)
    execute(path, "DELETE FROM anchor")
    assert places(path) == [(ProblemKind.ANCHOR, 0, 0)]


@pytest.mark.parametrize("column", ["name = 'x'", "container = zeroblob(32)", "id = zeroblob(16)"])
def test_columns_that_hide_an_event_from_queries_are_seen(column: str, tmp_path: Path) -> None:
    path = make_log(tmp_path, 9)
    execute(path, f"UPDATE event SET {column} WHERE link = 4")
    assert places(path) == [(ProblemKind.COLUMNS, 4, 4)]


def test_a_type_that_hides_an_event_is_seen(tmp_path: Path) -> None:
    path = make_log(tmp_path, 9)
    execute(path, "UPDATE event SET type = (SELECT type FROM event WHERE link = 5) WHERE link = 4")
    assert places(path) == [(ProblemKind.COLUMNS, 4, 4)]


def test_a_body_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = make_log(tmp_path, 9)
    execute(path, "UPDATE event SET body = zeroblob(40) WHERE link = 4")
    assert (ProblemKind.UNREADABLE, 4, 4) in places(path)


def test_events_may_not_change_places(tmp_path: Path) -> None:
    path = make_log(tmp_path, 9)
    execute(path, "UPDATE event SET link = 99 WHERE link = 4")
    kinds = {kind for kind, _, _ in places(path)}
    assert kinds == {ProblemKind.MISSING, ProblemKind.UNORDERED}


def test_an_event_may_not_lose_its_number(tmp_path: Path) -> None:
    path = make_log(tmp_path, 9)
    execute(path, "UPDATE event SET link = NULL, digest = NULL WHERE link = 4")
    found = places(path)
    assert (ProblemKind.UNORDERED, 3, 3) in found
    assert (ProblemKind.MISSING, 4, 4) in found


def test_since_takes_what_came_before_as_it_is(tmp_path: Path) -> None:
    path = make_log(tmp_path, 50)
    rewrite(path, 5, rename)
    made = event(30)
    assert not problems(path, made.time + made.realtime_offset)
    walk = ChainWalk(path, made.time + made.realtime_offset)
    assert next(iter(walk)).number == 30
    assert walk.begins is None
    assert problems(path)


def test_a_walk_sees_what_is_appended_meanwhile(tmp_path: Path) -> None:
    store = Store(tmp_path)
    append(store, range(1, 20))
    walk = iter(ChainWalk(store.path))
    first = [next(walk).number for _ in range(19)]
    append(store, [20, 21])
    assert [*first, *(kept.number for kept in walk)] == list(range(1, 22))
    store.close()


def test_a_file_that_is_not_a_log_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "castoff.db"
    path.write_bytes(b"not a database, and long enough to be looked at" * 99)
    with pytest.raises(StateUnusable):
        list(ChainWalk(path))

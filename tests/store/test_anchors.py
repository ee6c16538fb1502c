"""Where the chain begins, goes on after retention, and begins anew after damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sensor.store import anchors
from sensor.store.chain import AnchorReason, genesis
from sensor.store.chain_walk import ChainWalk, Kept
from sensor.store.log import Store, StoreSettings
from tests.evidence.logs import append, entry, event, execute, make_log
from tests.store.entries import Heard


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def walked(path: Path) -> list[Kept]:
    return list(ChainWalk(path))


def problems(path: Path) -> list[str]:
    return [problem.what for kept in walked(path) for problem in kept.problems]


def test_a_new_log_begins_with_an_anchor_of_its_own_name(tmp_path: Path) -> None:
    path = make_log(tmp_path, 3)
    with opened(path) as connection:
        (anchor,) = anchors.read(connection)
        name = connection.execute("SELECT stream FROM state").fetchone()[0]
    assert (anchor.link, anchor.digest, anchor.reason) == (0, genesis(name), AnchorReason.BEGUN)
    assert [kept.number for kept in walked(path)] == [1, 2, 3]


def test_numbers_go_on_without_a_hole_when_another_agent_opens_the_log(tmp_path: Path) -> None:
    make_log(tmp_path, 5)
    store = Store(tmp_path)
    append(store, range(6, 9))
    store.close()
    assert [kept.number for kept in walked(store.path)] == list(range(1, 9))
    assert not problems(store.path)


def test_an_event_that_is_there_already_takes_no_number(tmp_path: Path) -> None:
    """Records of the rings are read again after a kill: same events, same ids."""
    make_log(tmp_path, 5)
    store = Store(tmp_path)
    twice = [entry(event(number)) for number in (4, 5, 5, 6, 6, 7)]
    store.append(twice)
    assert store.flush(20)
    assert store.health().duplicates == 4
    store.append([entry(event(8))])
    store.close()
    assert [kept.number for kept in walked(store.path)] == list(range(1, 9))
    assert not problems(store.path)


def test_retention_moves_the_anchor_and_the_chain_holds(tmp_path: Path) -> None:
    path = make_log(tmp_path, 40)
    store = Store(tmp_path, StoreSettings(max_age=1.0))
    append(store, [41])
    store.close()
    with opened(path) as connection:
        (anchor,) = anchors.read(connection)
        assert anchor.reason is AnchorReason.RETENTION
        assert anchor.link > 0
    store = Store(tmp_path)
    append(store, [42, 43])
    health = store.health()
    store.close()
    kept = walked(path)
    assert kept[0].number == anchor.link + 1
    assert kept[-1].number == 43
    assert not problems(path)
    assert health.head is not None
    assert (health.head.sequence, health.head.oldest) == (43, anchor.link + 1)


def test_an_older_log_is_read_and_the_chain_begins_behind_it(tmp_path: Path) -> None:
    path = make_log(tmp_path, 7)
    execute(path, "UPDATE event SET link = NULL, digest = NULL")
    execute(path, "DELETE FROM anchor")
    store = Store(tmp_path)
    append(store, [8, 9])
    head = store.health().head
    store.close()
    kept = walked(path)
    assert [one.number for one in kept] == [None] * 7 + [1, 2]
    assert not problems(path)
    with opened(path) as connection:
        assert anchors.read(connection)[0].reason is AnchorReason.UPGRADED
    assert head is not None
    assert head.oldest == 1


def test_the_head_says_why_a_chain_begins(tmp_path: Path) -> None:
    path = make_log(tmp_path, 7)
    execute(path, "UPDATE event SET link = NULL, digest = NULL")
    execute(path, "DELETE FROM anchor")
    heard = Heard()
    Store(tmp_path, listener=heard.listener()).close()
    (head,) = heard.opened
    assert head.broken == "the log kept no chain before: 7 events stand outside of it"


def damaged(path: Path, first: int, last: int) -> None:
    """Overwrite the pages of the log that hold these numbers, as a failing disk does."""
    with opened(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        pages = [
            row[0]
            for row in connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf'"
            )
        ]
    raw = bytearray(path.read_bytes())
    middle = pages[len(pages) * first // 100 : len(pages) * last // 100] or pages[1:2]
    for page in middle:
        raw[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(raw)


def test_a_salvage_is_a_break_that_says_so(tmp_path: Path) -> None:
    path = make_log(tmp_path, 300)
    before = {kept.number: kept.digest for kept in walked(path)}
    damaged(path, 40, 60)
    heard = Heard()
    store = Store(tmp_path, listener=heard.listener())
    (head,) = heard.opened
    append(store, [301, 302])
    store.close()
    kept = walked(path)
    found = [problem for one in kept for problem in one.problems]
    assert found
    assert all(problem.explained for problem in found), found
    assert head.broken == "events were lost with a damaged file"
    # What was lost at the end may have been shipped: its numbers are not given again.
    assert head.skipped
    numbers = [one.number for one in kept]
    assert numbers[-2:] == [head.sequence + 1, head.sequence + 2]
    assert all(before[one.number] == one.digest for one in kept if one.number in before)


def test_a_salvage_excuses_no_hole_that_comes_later(tmp_path: Path) -> None:
    path = make_log(tmp_path, 300)
    damaged(path, 40, 60)
    store = Store(tmp_path)
    append(store, range(301, 320))
    store.close()
    newest = [kept.sequence for kept in walked(path)][-5]
    execute(path, "DELETE FROM event WHERE sequence = ?", (newest,))
    found = [problem for one in walked(path) for problem in one.problems]
    assert [problem.what for problem in found if not problem.explained] == ["an event is missing"]

"""The log as it is asked: by time, type, container and name, whatever the clock did."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.store.entry import NewEntry
from sensor.store.log import Store
from sensor.store.reader import CursorExpired, Query, Reader, TooManyMatches
from sensor.store.time_range import Clock
from tests.store.entries import (
    BOOT,
    HOUR,
    OFFSET,
    PATIENCE,
    SECOND,
    fill,
    made,
    numbers,
    opened,
    read,
)

START, STOP = "container.start", "container.stop"
STARTS, STOPS = frozenset({START}), frozenset({STOP})
OLD_BOOT = "0d2b1c9e-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """300 entries, one a second: starts and stops of 10 names in turn."""
    with opened(tmp_path_factory.mktemp("log")) as store:
        store.append(
            [
                made(number, kind=STOP if number % 3 == 0 else START, name=f"app-{number % 10}")
                for number in range(300)
            ]
        )
        store.flush(PATIENCE)
        yield store


def found(store: Store, query: Query, clock: Clock | None = None) -> list[int]:
    page = Reader(store.path, clock).read(query)
    assert page.damaged == 0
    return numbers(tuple(one.entry for one in page.entries))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), range(100)),
        (Query(rows=3, newest_first=True), [299, 298, 297]),
        (Query(since=OFFSET + 290 * SECOND), range(290, 300)),
        (Query(since=OFFSET + 290 * SECOND + 1), range(291, 300)),
        (Query(until=OFFSET + 4 * SECOND), range(5)),
        (Query(since=OFFSET + 7 * SECOND, until=OFFSET + 9 * SECOND), [7, 8, 9]),
        (Query(since=OFFSET + 9 * SECOND, until=OFFSET + 7 * SECOND), []),
        (Query(since=OFFSET + HOUR), []),
        (Query(until=0), []),
        (Query(since=-(2**80), until=2**80, rows=2), [0, 1]),
        (Query(types=STOPS, rows=3), [0, 3, 6]),
        (Query(types=frozenset({STOP, START}), rows=3), [0, 1, 2]),
        (Query(types=frozenset({"alert"})), []),
        (Query(types=STOPS, since=OFFSET + 100 * SECOND, rows=2), [102, 105]),
        (Query(container=f"{7:064x}"), [7]),
        (Query(container="app-4", rows=3), [4, 14, 24]),
        (Query(container="app-4", newest_first=True, rows=2), [294, 284]),
        (Query(container="app-4", types=STOPS, rows=2), [24, 54]),
        (Query(container="app"), []),
        (Query(container="app-4", since=OFFSET + 100 * SECOND, rows=2), [104, 114]),
        (Query(after=298), [298, 299]),
        (Query(before=3), [0, 1]),
        (Query(after=10, before=13), [10, 11]),
        (Query(rows=0), [0]),
    ],
    ids=str,
)
def test_what_is_asked_for_is_found(store: Store, query: Query, expected: list[int]) -> None:
    assert found(store, query) == list(expected)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    "query",
    [Query(), Query(types=STOPS), Query(container="app-3"), Query(until=OFFSET + HOUR)],
)
def test_pages_make_a_whole(store: Store, query: Query, newest_first: bool) -> None:
    query = replace(query, newest_first=newest_first)
    whole = found(store, replace(query, rows=1000))
    pages, cursor, more = [], None, True
    while more:
        bounds: dict[str, Any] = {"before" if newest_first else "after": cursor}
        page = Reader(store.path).read(replace(query, rows=7, **bounds))
        pages += numbers(tuple(one.entry for one in page.entries))
        cursor, more = page.cursor, page.more
    assert pages == whole
    if not newest_first:
        assert cursor == Reader(store.path).extent().newest


def test_the_cursor_of_an_empty_answer_is_the_end(store: Store) -> None:
    page = Reader(store.path).read(Query(types=frozenset({"alert"})))
    assert (page.entries, page.more, page.cursor) == ((), False, 300)
    assert Reader(store.path).read(Query(after=300)).cursor == 300


def test_a_short_prefix_is_refused(store: Store) -> None:
    with pytest.raises(TooManyMatches, match="0000"):
        found(store, Query(container="0000"))


def test_containers_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    ids = ["abc" + "0" * 61, "abd" + "f" * 61, "ab" * 16, "abc", "ABC", "abc-not-hex", "f" * 64]
    with opened(tmp_path) as store:
        store.append([made(n, container=id_, name=None) for n, id_ in enumerate(ids)])
        for prefix in ("a", "ab", "abc", "abd", "abab", "A", "f", "ff", "abc-", "zz", ids[0]):
            expected = [n for n, id_ in enumerate(ids) if id_.startswith(prefix)]
            assert numbers(read(store, Query(container=prefix))) == expected


# --------------------------------------------------------------- clocks


def test_since_is_right_after_the_clock_was_set_back(tmp_path: Path) -> None:
    """Two hours by a wrong clock, then NTP sets it an hour back: the last minutes are the last."""
    wrong = [made(n, time=n * 60 * SECOND, offset=OFFSET + HOUR) for n in range(120)]
    right = [made(n, time=n * 60 * SECOND, offset=OFFSET) for n in range(120, 125)]
    with opened(tmp_path) as store:
        store.append(wrong)
        store.append(right)
        now = OFFSET + 125 * 60 * SECOND
        assert numbers(read(store, Query(since=now - 10 * 60 * SECOND))) == list(range(115, 125))
        assert numbers(read(store, Query(until=OFFSET + 2 * 60 * SECOND))) == [0, 1, 2]
        assert numbers(read(store, Query(rows=1000))) == list(range(125))


def test_the_clock_as_it_is_now_counts(tmp_path: Path) -> None:
    """Set forward since the last entry: the log cannot know, the reader does."""
    fill(tmp_path, *(made(n, time=n * 60 * SECOND) for n in range(10)))
    with opened(tmp_path) as store:
        since = Query(since=OFFSET + HOUR + 8 * 60 * SECOND)
        assert found(store, since, Clock(BOOT, lambda: OFFSET + HOUR)) == [8, 9]
        assert found(store, since, Clock(OLD_BOOT, lambda: OFFSET + HOUR)) == []


def test_boots_come_one_after_the_other(tmp_path: Path) -> None:
    """A node without a clock of its own: each boot begins in 1970 until NTP sets the time."""
    first = [made(n, time=n * SECOND, boot_id=OLD_BOOT, offset=0) for n in range(10)]
    first += [made(n, time=n * SECOND, boot_id=OLD_BOOT) for n in range(10, 20)]
    second = [made(100 + n, time=n * SECOND, offset=0) for n in range(10)]
    second += [made(110 + n, time=(10 + n) * SECOND, offset=OFFSET + HOUR) for n in range(10)]
    fill(tmp_path, *first)
    with opened(tmp_path) as store:
        store.append(second)
        everything = [*range(20), *range(100, 120)]
        assert numbers(read(store, Query())) == everything
        assert numbers(read(store, Query(since=OFFSET + 5 * SECOND))) == everything[5:]
        assert numbers(read(store, Query(since=OFFSET + HOUR))) == everything[20:]
        until = Query(since=OFFSET + 18 * SECOND, until=OFFSET + HOUR + SECOND)
        assert numbers(read(store, until)) == [18, 19, 100, 101]


def test_what_came_late_is_found_by_its_own_time(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(n, kind=STOP if n % 2 else START) for n in range(100)])
        store.append([made(1000, time=5 * SECOND), made(1001, time=50 * SECOND)])
        until = OFFSET + 6 * SECOND
        assert numbers(read(store, Query(since=OFFSET + 4 * SECOND, until=until))) == [
            4,
            5,
            6,
            1000,
        ]
        newest = Query(until=until, newest_first=True, rows=2)
        assert numbers(read(store, newest)) == [1000, 6]
        assert numbers(read(store, Query(since=OFFSET + 99 * SECOND))) == [99]
        assert numbers(read(store, Query(until=until, types=STARTS))) == [
            0,
            2,
            4,
            6,
            1000,
        ]
        assert numbers(read(store, Query(until=until, container="web", types=STOPS))) == [1, 3, 5]


TIMES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=60
)


@settings(max_examples=30, deadline=None)
@given(times=TIMES, since=st.integers(-2, 40), length=st.integers(0, 20), newest=st.booleans())
def test_a_query_is_what_a_filter_would_give(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[tuple[int, int, int]],
    since: int,
    length: int,
    newest: bool,
) -> None:
    """Times in any order within boots, clocks that are set: the latest offset of a boot counts."""
    entries: list[NewEntry] = []
    for boot, moment, step in sorted(times, key=lambda one: one[0]):
        offset = OFFSET + boot * 35 * SECOND + step * SECOND
        entries.append(
            made(len(entries), time=moment * SECOND, boot_id=f"boot-{boot}", offset=offset)
        )
    last = {entry.boot_id: entry.wall - entry.time for entry in entries}
    low, high = OFFSET + since * SECOND, OFFSET + (since + length) * SECOND
    expected = [entry for entry in entries if low <= entry.time + last[entry.boot_id] <= high]
    with opened(tmp_path_factory.mktemp("times")) as store:
        store.append(entries)
        query = Query(since=low, until=high, newest_first=newest, rows=1000)
        got = read(store, query)
    assert list(got) == (expected[::-1] if newest else expected)


# --------------------------------------------------------------- cursors and files


def test_a_cursor_of_the_future_has_expired(tmp_path: Path) -> None:
    fill(tmp_path, made(1))
    with pytest.raises(CursorExpired) as caught:
        Reader(tmp_path / "castoff.db").read(Query(after=1 << 40))
    assert caught.value.oldest == 0


def test_a_file_that_is_not_there_or_not_ours_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match=r"castoff\.db"):
        Reader(tmp_path / "castoff.db").read(Query())
    database = sqlite3.connect(tmp_path / "castoff.db")
    database.execute("CREATE TABLE a (b)")
    database.close()
    with pytest.raises(StateUnusable, match="schema 0"):
        Reader(tmp_path / "castoff.db").extent()
    (tmp_path / "castoff.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StateUnusable, match=r"castoff\.db"):
        Reader(tmp_path / "castoff.db").read(Query())


def test_an_entry_that_is_damaged_is_left_out_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(5)))
    database = sqlite3.connect(tmp_path / "castoff.db")
    database.execute("UPDATE event SET body = x'00' WHERE sequence = 2")
    database.execute("UPDATE event SET id = 'x' || CAST(x'ff' AS TEXT) WHERE sequence = 3")
    database.execute("UPDATE event SET type = 99 WHERE sequence = 4")
    database.commit()
    database.close()
    page = Reader(tmp_path / "castoff.db").read(Query())
    assert (len(page.entries), page.damaged, page.cursor) == (3, 2, 5)


def test_the_reader_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(5)))
    before = (tmp_path / "castoff.db").read_bytes()
    Reader(tmp_path / "castoff.db").read(Query())
    assert (tmp_path / "castoff.db").read_bytes() == before

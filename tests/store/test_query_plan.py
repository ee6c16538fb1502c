"""A query gives what a filter over the whole log would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.store.entry import NewEntry
from sensor.store.log import Store
from sensor.store.reader import LogReader, Query, TooManyMatches
from tests.store.entries import HOUR, OFFSET, SECOND, made, numbers, opened, read
from tests.store.queried import START, STOP, STOPS, found


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
        page = LogReader(store.path).read(replace(query, rows=7, **bounds))
        pages += numbers(tuple(one.entry for one in page.entries))
        cursor, more = page.cursor, page.more
    assert pages == whole
    if not newest_first:
        assert cursor == LogReader(store.path).extent().newest


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

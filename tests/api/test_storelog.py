"""The store's log is asked as the socket wants it, with what still waits for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.api.storelog import StoreLog
from sensor.store.entry import LogEntry, NewEntry
from sensor.store.log import Store, StoreHealth, StoreSettings
from sensor.store.query import Page, Query
from sensor.store.reader import LogReader
from tests.api.sample_agent import DATABASE, WEB, line

BOOT = "6f9c6d70-6c4b-4f6e-9d7c-1b7a4f0e2d11"
SECOND = 1_000_000_000
WALL = 1_700_000_000 * SECOND


def entry(
    number: int, type_: str = "container.start", id_: str = WEB, name: str = "web"
) -> NewEntry:
    return NewEntry(
        id=f"{number:032x}",
        type=type_,
        time=number * SECOND,
        wall=WALL + number * SECOND,
        boot_id=BOOT,
        container_id=id_,
        name=name,
        body=line(number, type_, id=id_, name=name),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state", StoreSettings(sync="normal"))
    yield store
    store.close()


class Waiting:
    """A store whose last entries wait for the disk."""

    def __init__(self, store: Store, last: int) -> None:
        self._store = store
        self._after = last
        self._entries: tuple[LogEntry, ...] = ()

    def hold(self, entries: list[NewEntry]) -> None:
        first = self._after + 1
        self._entries = tuple(LogEntry(first + n, one) for n, one in enumerate(entries))

    def health(self) -> StoreHealth:
        return self._store.health()

    def unwritten(self, after: int = 0) -> tuple[LogEntry, ...]:
        return tuple(one for one in self._entries if one.sequence > after)


class Unmade(Waiting):
    """A store whose disk has not let it make the log."""

    def health(self) -> StoreHealth:
        return replace(self._store.health(), stream=None)


def filled(store: Store, count: int) -> range:
    given = store.append([entry(number) for number in range(count)])
    assert store.flush(5)
    return given


def numbers(page: Page) -> list[int]:
    return [event.sequence for event in page.entries]


def test_pages_go_through_the_log_both_ways(store: Store) -> None:
    given = filled(store, 10)
    log = StoreLog(store, LogReader(store.path))
    page = log.page(Query(rows=4))
    assert (numbers(page), page.more) == (list(given)[:4], True)
    page = log.page(Query(after=page.cursor, rows=4))
    assert numbers(page) == list(given)[4:8]
    page = log.page(Query(after=page.cursor, rows=4))
    assert (numbers(page), page.more) == (list(given)[8:], False)
    page = log.page(Query(newest_first=True, rows=4))
    assert (numbers(page), page.more) == (list(given)[:5:-1], True)
    page = log.page(Query(newest_first=True, before=page.cursor, rows=9))
    assert (numbers(page), page.more) == (list(given)[5::-1], False)


def test_a_query_returns_the_events_that_it_names(store: Store) -> None:
    given = store.append([entry(0), entry(1, "gap"), entry(2, id_=DATABASE, name="db"), entry(3)])
    assert store.flush(5)
    log = StoreLog(store, LogReader(store.path))
    ask = [
        Query(types=frozenset({"gap"})),
        Query(container="db"),
        Query(container=DATABASE[:7]),
        Query(since=WALL + 2 * SECOND),
        Query(until=WALL),
    ]
    assert [numbers(log.page(one)) for one in ask] == [
        [given[1]],
        [given[2]],
        [given[2]],
        [given[2], given[3]],
        [given[0]],
    ]


def test_what_waits_for_the_disk_is_reported_once_and_in_order(store: Store) -> None:
    given = filled(store, 5)
    waiting = Waiting(store, given[-1])
    waiting.hold([entry(5), entry(6, "gap"), entry(7)])
    log = StoreLog(waiting, LogReader(store.path))
    expected = [*given, *range(given[-1] + 1, given[-1] + 4)]
    assert numbers(log.page(Query(rows=20))) == expected
    page = log.page(Query(rows=6))
    assert (numbers(page), page.more) == (expected[:6], True)
    assert numbers(log.page(Query(after=page.cursor, rows=6))) == expected[6:]
    assert numbers(log.page(Query(newest_first=True, rows=20))) == expected[::-1]
    page = log.page(Query(newest_first=True, rows=2))
    assert numbers(page) == expected[:-3:-1]
    page = log.page(Query(newest_first=True, before=page.cursor, rows=20))
    assert numbers(page) == expected[-3::-1]
    assert numbers(log.page(Query(types=frozenset({"gap"}), rows=9))) == [expected[6]]


def test_what_is_in_both_is_reported_once(store: Store) -> None:
    given = filled(store, 3)
    waiting = Waiting(store, given[0] - 1)
    waiting.hold([entry(0), entry(1), entry(2), entry(3)])
    log = StoreLog(waiting, LogReader(store.path))
    expected = [*given, given[-1] + 1]
    assert numbers(log.page(Query(rows=20))) == expected
    assert numbers(log.page(Query(newest_first=True, rows=20))) == expected[::-1]


def test_the_ends_and_the_name(store: Store) -> None:
    given = filled(store, 3)
    log = StoreLog(store, LogReader(store.path))
    assert log.newest() == given[-1]
    assert log.oldest() < given[0]
    assert log.stream.isalnum()
    assert log.page(Query(after=given[-1], rows=5)).entries == ()


def test_a_position_beyond_the_end_has_nothing_after_it(store: Store) -> None:
    given = filled(store, 3)
    log = StoreLog(store, LogReader(store.path))
    assert log.page(Query(after=given[-1] + 10**9, rows=5)) == Page(
        (), given[-1] + 10**9, more=False
    )


def test_a_prefix_of_very_many_is_a_wrong_question(store: Store) -> None:
    store.append([entry(n, id_=f"{n:064x}", name=f"n{n}") for n in range(100)])
    assert store.flush(5)
    with pytest.raises(ValueError, match="more than"):
        StoreLog(store, LogReader(store.path)).page(Query(container="0", rows=5))


def test_without_a_log_on_disk_what_waits_is_answered(tmp_path: Path, store: Store) -> None:
    waiting = Unmade(store, 0)
    waiting.hold([entry(number) for number in range(5)])
    log = StoreLog(waiting, LogReader(tmp_path / "no such directory" / DATABASE))
    assert log.oldest() == 0
    assert numbers(log.page(Query(rows=3))) == [1, 2, 3]
    assert numbers(log.page(Query(after=3, rows=3))) == [4, 5]
    page = log.page(Query(newest_first=True, rows=10))
    assert (numbers(page), page.more) == ([5, 4, 3, 2, 1], False)

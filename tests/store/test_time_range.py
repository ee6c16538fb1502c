"""Wall times mean the moments that they are by the clock as it is now."""

from __future__ import annotations

from pathlib import Path

from sensor.store.reader import Query
from sensor.store.time_range import NodeClock
from tests.store.entries import BOOT, HOUR, OFFSET, SECOND, fill, made, numbers, opened, read
from tests.store.queried import START, STARTS, STOP, STOPS, found

OLD_BOOT = "0d2b1c9e-0000-4000-8000-000000000001"


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
        assert found(store, since, NodeClock(BOOT, lambda: OFFSET + HOUR)) == [8, 9]
        assert found(store, since, NodeClock(OLD_BOOT, lambda: OFFSET + HOUR)) == []


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

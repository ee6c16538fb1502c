"""The log stays below the free space of its disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from sensor.store.database import FILE_NAME
from sensor.store.disk_space import BALLAST_NAME, DiskSpace
from sensor.store.reader import Query
from tests.store.disks import SMALL, fill_up, needs_mount, noise
from tests.store.entries import BOOT, PATIENCE, WEB, Heard, made, numbers, opened, read


@needs_mount
def test_a_small_disk_keeps_the_newest_entries(disk: Path) -> None:
    heard = Heard()
    with opened(disk, heard=heard) as store:
        for start in range(0, 3000, 100):
            store.append([made(n, body=noise(n)) for n in range(start, start + 100)])
            assert store.flush(PATIENCE)
        kept = numbers(read(store, Query(rows=1000)))
        assert store.health().lost == 0
    assert heard.failing == []
    assert len(kept) > 100
    assert kept == list(range(kept[0], 3000))
    assert sum(one.count for one in heard.dropped) == kept[0]


@needs_mount
def test_a_disk_that_another_user_fills_costs_old_entries_first(disk: Path) -> None:
    heard = Heard()
    with opened(disk, heard=heard) as store:
        store.append([made(n, body=noise(n)) for n in range(300)])
        assert store.flush(PATIENCE)
        assert (disk / BALLAST_NAME).exists()
        fill_up(disk)
        for start in range(300, 1000, 50):
            store.append([made(n, body=noise(n)) for n in range(start, start + 50)])
            store.note(BOOT, start, (WEB,), ())
            assert store.flush(PATIENCE)
        assert numbers(read(store, Query(newest_first=True, rows=50))) == list(range(999, 949, -1))
        assert not (disk / BALLAST_NAME).exists()
    assert sum(one.count for one in heard.dropped) > 0


@needs_mount
def test_the_ballast_is_made_where_there_is_room(disk: Path) -> None:
    space = DiskSpace(disk)
    space.make_ballast()
    assert (disk / BALLAST_NAME).stat().st_size == SMALL // 8
    assert not space.is_full()
    fill_up(disk)
    assert space.is_full()
    assert space.drop_ballast()
    assert not space.drop_ballast()
    space.make_ballast()
    assert not (disk / BALLAST_NAME).exists()


def test_damage_that_never_ends_does_not_fill_the_disk(
    tmp_path: Path, fail: Callable[[list[int]], None]
) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        fail([sqlite3.SQLITE_CORRUPT] * 4)
        store.append([made(1)])
        heard.wait(heard.recovered)
        assert numbers(read(store)) == [1]
    # Each damaged file may have its write-ahead log beside it.
    assert 1 <= len(list(tmp_path.glob(f"{Path(FILE_NAME).stem}.damaged-?"))) <= 2

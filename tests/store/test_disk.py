"""Full, read-only and failing disks: the agent goes on, and says what it lost."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.store.callbacks import Callbacks
from sensor.store.database import FILE_NAME, Database
from sensor.store.disk_space import BALLAST_NAME, DiskSpace
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import Query, Reader
from tests.store.entries import BOOT, PATIENCE, SECOND, Heard, made, numbers, opened, read
from tests.store.test_log import WEB

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tmpfs")
SMALL = 2 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "castoff-test", place],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def noise(number: int) -> bytes:
    return random.Random(number).randbytes(1000)


def fill_up(place: Path) -> None:
    """Take all the space there is, as another program might."""
    with (
        (place / "another program's").open("ab", buffering=0) as file,
        contextlib.suppress(OSError),
    ):
        while file.write(bytes(4096)):
            pass


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
def test_a_disk_that_is_full_from_the_beginning_stops_no_agent(disk: Path) -> None:
    fill_up(disk)
    heard = Heard()
    with opened(disk, StoreSettings(queue_bytes=100_000), heard) as store:
        store.append([made(n, body=noise(n)) for n in range(100)])
        store.note(BOOT, 5, (WEB,), ())
        store.mark("all")
        heard.wait(heard.failing)
        assert heard.durable == []
        assert store.health().failing is not None
        assert len(store.unwritten()) == 100 - store.health().lost
        (disk / "another program's").unlink()
        heard.wait(heard.recovered)
        (loss,) = heard.recovered
        assert loss is not None
        kept = numbers(read(store))
        assert kept == list(range(100 - loss.lost))
        assert (loss.since, loss.until) == (len(kept) * SECOND, 99 * SECOND)
        assert heard.durable == ["all"]
        assert store.health().failing is None
    with opened(disk) as store:
        assert store.restored(1) is not None


@needs_mount
def test_a_disk_that_becomes_read_only_is_waited_for(disk: Path) -> None:
    heard = Heard()
    with opened(disk, heard=heard) as store:
        store.append([made(1)])
        assert store.flush(PATIENCE)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with opened(disk, heard=heard) as store:
        first = store.append([made(2)])[0]
        heard.wait(heard.failing)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        heard.wait(heard.recovered)
        assert heard.recovered == [None]
        assert numbers(read(store)) == [1, 2]
        assert Reader(store.path).read(Query(after=1)).entries[0].sequence == first


@needs_mount
def test_closing_on_a_full_disk_has_an_end(disk: Path) -> None:
    fill_up(disk)
    heard = Heard()
    with opened(disk, heard=heard) as store:
        store.append([made(1)])
        heard.wait(heard.failing)
        assert not store.close(0.2)


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


# --------------------------------------------------------------- faults that no disk here has


class Faulty(sqlite3.Connection):
    """A connection whose commits fail as long as there are errors left."""

    errors: list[int]

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.errors:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.errors.pop(0)
            raise error
        return super().execute(sql, *rest)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """Have commits fail with these codes, one after the other, once a store is open."""
    Faulty.errors = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        "sensor.store.database.sqlite3.connect",
        lambda *args, **named: connect(*args, **named, factory=Faulty),
    )
    return Faulty.errors.extend


def test_an_error_of_the_disk_is_outlasted(
    tmp_path: Path, fail: Callable[[list[int]], None]
) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(1)])
        assert store.flush(PATIENCE)
        fail([sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE])
        store.append([made(2)])
        store.mark("two")
        heard.wait(heard.recovered)
        assert len(heard.failing) == 1
        assert heard.durable == ["two"]
        assert numbers(read(store)) == [1, 2]
        assert store.append([made(3)]) == range(3, 4)


def test_a_disk_that_fails_at_the_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as store:
        store.append([made(n) for n in range(5)])
    open_ = Database.open
    failures = [sqlite3.SQLITE_IOERR_READ] * 3

    def fails(self: Database) -> sqlite3.Connection:
        if failures:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = failures.pop()
            raise error
        return open_(self)

    monkeypatch.setattr(Database, "open", fails)
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        first = store.append([made(5)])[0]
        heard.wait(heard.recovered)
        assert numbers(read(store)) == list(range(6))
        assert first > 5
        assert numbers(read(store, Query(after=5))) == [5]


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


def test_a_listener_whose_loop_has_ended_is_no_trouble(tmp_path: Path) -> None:
    def closed(_: object) -> None:
        message = "Event loop is closed"
        raise RuntimeError(message)

    store = Store(tmp_path, None, Callbacks(durable=closed))
    store.mark("one")
    store.append([made(1)])
    assert numbers(read(store)) == [1]
    assert store.close()

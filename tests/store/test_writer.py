"""A disk that is full, read-only or failing is outlasted."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sensor.store.database import Database
from sensor.store.log import StoreSettings
from sensor.store.reader import LogReader, Query
from tests.store.disks import fill_up, needs_mount, noise
from tests.store.entries import BOOT, PATIENCE, SECOND, WEB, Heard, made, numbers, opened, read


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
        assert store.restored(1, BOOT) is not None


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
        assert LogReader(store.path).read(Query(after=1)).entries[0].sequence == first


@needs_mount
def test_closing_on_a_full_disk_has_an_end(disk: Path) -> None:
    fill_up(disk)
    heard = Heard()
    with opened(disk, heard=heard) as store:
        store.append([made(1)])
        heard.wait(heard.failing)
        assert not store.close(0.2)


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

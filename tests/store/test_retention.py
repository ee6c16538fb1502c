"""The log keeps to its limits, says what it dropped, and what had not been shipped."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.store import writer
from sensor.store.database import Database
from sensor.store.log import StoreSettings
from sensor.store.reader import CursorExpired, LogReader, Query
from sensor.store.retention import CHUNK_FIRST, Retention, used
from tests.store.entries import OFFSET, PATIENCE, SECOND, Heard, fill, made, numbers, opened, read

LIMIT = 400_000


def noise(number: int) -> bytes:
    return random.Random(number).randbytes(1000)


def test_the_log_stays_below_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LIMITS_ENTRIES", 50)
    heard = Heard()
    with opened(tmp_path, StoreSettings(max_bytes=LIMIT), heard) as store:
        store.acknowledge("forward", 100)
        for start in range(0, 1000, 50):
            store.append([made(n, body=noise(n)) for n in range(start, start + 50)])
            store.flush(PATIENCE)
        path = store.path
    dropped = heard.dropped
    database = sqlite3.connect(path)
    assert used(database) <= LIMIT
    database.close()
    reader = LogReader(path)
    oldest = reader.extent().oldest
    assert dropped[0].first == 1
    assert dropped[-1].last == oldest
    assert sum(one.count for one in dropped) == oldest
    assert sum(one.unshipped["forward"].count for one in dropped if one.unshipped) == oldest - 100
    assert (dropped[0].since, dropped[-1].until) == (OFFSET, OFFSET + (oldest - 1) * SECOND)
    assert numbers(tuple(one.entry for one in reader.read(Query(rows=1)).entries)) == [oldest]
    with pytest.raises(CursorExpired) as caught:
        reader.read(Query(after=oldest - 1))
    assert caught.value.oldest == oldest
    assert reader.read(Query(after=oldest)).entries[0].sequence == oldest + 1


def test_a_limit_may_change_while_the_log_is_written(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, StoreSettings(max_bytes=10 * LIMIT), heard) as store:
        store.append([made(n, body=noise(n)) for n in range(600)])
        assert store.flush(PATIENCE)
        assert heard.dropped == []
        store.limit(LIMIT, None)
        store.append([made(600, body=noise(600))])
        with contextlib.closing(sqlite3.connect(store.path)) as database:
            until(lambda: used(database) <= LIMIT, "the log has shrunk")
    assert heard.dropped


def test_the_limits_are_not_looked_at_for_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LIMITS_SECONDS", 3600)
    looks: list[int] = []
    monkeypatch.setattr(Retention, "enforce", lambda *_: looks.append(1))
    with opened(tmp_path) as store:
        for number in range(20):
            store.append([made(number)])
            store.flush(PATIENCE)
        assert len(looks) == 1
        store.append([made(number) for number in range(20, 20 + writer.LIMITS_ENTRIES)])
        store.flush(PATIENCE)
    assert len(looks) == 2


def test_entries_go_when_they_are_old(tmp_path: Path) -> None:
    now = OFFSET + 10_000 * SECOND
    ages = [7200 - n for n in range(1000)] + [60, 30]
    entries = [made(n, time=(10_000 - age) * SECOND) for n, age in enumerate(ages)]
    fill(tmp_path, *entries)
    database = Database(tmp_path).open()
    retention = Retention(1 << 30, 6700.5)
    while retention.enforce(database, now):
        pass
    dropped = retention.report(now=True)
    assert dropped is not None
    assert (dropped.first, dropped.last, dropped.count, dropped.unshipped) == (1, 500, 500, {})
    database.close()


def test_what_came_late_stays_with_its_neighbours(tmp_path: Path) -> None:
    fill(tmp_path, made(0, time=100 * SECOND), made(1, time=SECOND), made(2, time=101 * SECOND))
    database = Database(tmp_path).open()
    retention = Retention(1 << 30, 10.0)
    assert not retention.enforce(database, OFFSET + 109 * SECOND)
    assert retention.report(now=True) is None
    assert not retention.enforce(database, OFFSET + 110 * SECOND + 1)
    dropped = retention.report(now=True)
    assert dropped is not None
    assert (dropped.count, dropped.since, dropped.until) == (
        2,
        OFFSET + SECOND,
        OFFSET + 100 * SECOND,
    )
    database.close()


def test_it_is_done_in_small_steps(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(1000)))
    database = Database(tmp_path).open()
    retention = Retention(0, None)
    assert retention.enforce(database, 0)
    left = database.execute("SELECT count(*) FROM event").fetchone()[0]
    assert left == 1000 - CHUNK_FIRST
    steps = 1
    while retention.enforce(database, 0):
        steps += 1
    assert steps < 50
    assert database.execute("SELECT count(*) FROM event").fetchone()[0] == 0
    assert database.execute("SELECT purged FROM state").fetchone()[0] == 1000
    database.close()
    with opened(tmp_path) as store:
        assert store.append([made(1000)]) == range(1001, 1002)
        assert numbers(read(store)) == [1000]


def test_boots_without_entries_are_forgotten(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n, boot_id=f"boot-{n // 10}") for n in range(100)))
    database = Database(tmp_path).open()
    Retention(0, None).drop(database, 55)
    boots = database.execute("SELECT boot_id FROM boot ORDER BY number").fetchall()
    assert boots == [(f"boot-{n}",) for n in range(5, 10)]
    database.close()
    with opened(tmp_path) as store:
        assert numbers(read(store)) == list(range(55, 100))

"""The log as outputs read it: in bulk, onward, without holding what the writer must cut."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.store.batch import DeadLetter
from sensor.store.callbacks import Callbacks
from sensor.store.database import FILE_NAME
from sensor.store.log import Store, StoreSettings
from sensor.store.pages import Pages, Row
from tests.store.entries import BOOT, OFFSET, PATIENCE, SECOND, fill, made, opened


def test_pages_go_on_from_a_cursor_to_the_end(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n, kind=f"type-{n % 3}") for n in range(25)))
    pages = Pages(tmp_path / FILE_NAME)
    cursor = 0
    found: list[Row] = []
    while (page := pages.after(cursor, rows=10)).rows:
        found += page.rows
        assert page.rows[-1].sequence == page.through
        cursor = page.through
    pages.close()
    assert [row.sequence for row in found] == list(range(1, 26))
    seventh = found[7]
    assert (seventh.id, seventh.type) == (f"{7:032x}", "type-1")
    assert seventh.wall == OFFSET + 7 * SECOND
    assert seventh.body == made(7).body


def test_a_page_ends_at_its_bytes(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n, body=b"x" * 1000) for n in range(20)))
    pages = Pages(tmp_path / FILE_NAME)
    assert len(pages.after(0, size=3500).rows) == 4
    assert len(pages.after(0, size=1).rows) == 1
    pages.close()


def test_what_is_written_later_is_in_the_next_page_with_its_new_type(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(0)])
        assert store.flush(PATIENCE)
        pages = Pages(store.path)
        assert pages.after(1).rows == ()
        store.append([made(1, kind="brand.new")])
        assert store.flush(PATIENCE)
        assert [row.type for row in pages.after(1).rows] == ["brand.new"]
        pages.close()


def test_the_writer_shows_what_can_be_read(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    listener = Callbacks(written=lambda sequence, new: heard.append((sequence, new)))
    store = Store(tmp_path, StoreSettings(sync="normal"), listener)
    store.append([made(0), made(1)])
    assert store.flush(PATIENCE)
    assert heard == [(2, 2)]
    store.acknowledge("local", 2)
    assert store.flush(PATIENCE)
    assert heard == [(2, 2)]
    store.append([made(1), made(2)])
    assert store.flush(PATIENCE)
    assert heard[1:] == [(4, 1)]
    assert Pages(store.path).count(1, 9) == 2
    store.close(PATIENCE)


def test_no_snapshot_is_held_between_pages(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(n, body=b"x" * 1000) for n in range(50)])
        assert store.flush(PATIENCE)
        pages = Pages(store.path)
        assert len(pages.after(0, size=1).rows) == 1
        other = sqlite3.connect(store.path)
        busy, *_ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        other.close()
        assert busy == 0
        assert (tmp_path / f"{FILE_NAME}-wal").stat().st_size == 0
        pages.close()


def test_a_file_that_was_begun_anew_is_read_in_place_of_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / "a", made(1))
    fill(tmp_path / "b", made(2))
    pages = Pages(tmp_path / "a" / FILE_NAME)
    first = pages.after(0)
    (tmp_path / "b" / FILE_NAME).replace(tmp_path / "a" / FILE_NAME)
    second = pages.after(0)
    pages.close()
    assert [row.id for row in (*first.rows, *second.rows)] == [f"{1:032x}", f"{2:032x}"]
    assert first.stream != second.stream


def test_a_damaged_entry_is_left_out_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(5)))
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("UPDATE event SET body = x'00' WHERE sequence = 3")
    database.execute("UPDATE event SET type = 99 WHERE sequence = 5")
    database.commit()
    database.close()
    pages = Pages(tmp_path / FILE_NAME)
    page = pages.after(0)
    pages.close()
    assert [row.sequence for row in page.rows] == [1, 2, 4]
    assert (page.through, page.damaged) == (5, 2)


def test_a_file_that_is_not_there_is_said_so_and_found_later(tmp_path: Path) -> None:
    pages = Pages(tmp_path / FILE_NAME)
    with pytest.raises(StateUnusable):
        pages.after(0)
    fill(tmp_path, made(1))
    assert len(pages.after(0).rows) == 1
    pages.close()


# ------------------------------------------------------------------------------------ dead letters


def letters(*sequences: int, reason: str = "no") -> list[DeadLetter]:
    return [DeadLetter(sequence, reason, OFFSET) for sequence in sequences]


def test_dead_letters_outlast_the_log_and_go_when_they_are_delivered(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(n) for n in range(6)])
        store.add_dead_letters("local", letters(2, 4))
        store.add_dead_letters("other", letters(4))
        assert store.flush(PATIENCE)
        database = sqlite3.connect(store.path)
        database.execute("DELETE FROM event")
        database.commit()
        database.close()
        pages = Pages(store.path)
        assert [row.id for row in pages.dead("local", 0, 9).rows] == [f"{1:032x}", f"{3:032x}"]
        assert [row.sequence for row in pages.dead("local", 2, 9).rows] == [4]
        assert [row.sequence for row in pages.dead("local", 0, 3).rows] == [2]
        assert pages.dead_counts() == {"local": (2, 4), "other": (1, 4)}
        store.add_dead_letters("local", letters(2, reason="still no"))
        store.remove_dead_letters("local", [4])
        assert store.flush(PATIENCE)
        assert pages.dead_counts() == {"local": (1, 2), "other": (1, 4)}
        assert [row.body for row in pages.dead("local", 0, 9).rows] == [made(1).body]
        store.forget("local")
        assert store.flush(PATIENCE)
        assert pages.dead_counts() == {"other": (1, 4)}
        pages.close()


def test_the_oldest_dead_letters_go_when_there_are_too_many(tmp_path: Path) -> None:
    settings = StoreSettings(sync="normal", dead_letters=3)
    with opened(tmp_path, settings) as store:
        store.append([made(n) for n in range(6)])
        for sequence in range(1, 7):
            store.add_dead_letters("local", letters(sequence))
            assert store.flush(PATIENCE)
        pages = Pages(store.path)
        assert [row.sequence for row in pages.dead("local", 0, 9).rows] == [4, 5, 6]
        pages.close()
        assert store.health().dead_dropped == 3


def test_a_log_of_the_version_before_gets_its_table(tmp_path: Path) -> None:
    fill(tmp_path, made(1))
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("DROP TABLE dead_letter")
    database.execute("PRAGMA user_version = 2")
    database.commit()
    database.close()
    with opened(tmp_path) as store:
        store.add_dead_letters("local", letters(1))
        assert store.flush(PATIENCE)
        pages = Pages(store.path)
        assert pages.dead_counts() == {"local": (1, 1)}
        assert len(pages.after(0).rows) == 1
        pages.close()


def test_the_newest_ids_and_the_offset_of_a_boot_are_known(tmp_path: Path) -> None:
    """Case same-start-another-time: a successor goes on with them."""
    other = "0" * 36
    fill(
        tmp_path,
        *(made(number) for number in range(5)),
        made(5, offset=OFFSET + 15),
        made(6, boot_id=other, offset=OFFSET + 99),
    )
    pages = Pages(tmp_path / FILE_NAME)
    assert pages.newest_ids(3) == {f"{number:032x}" for number in (4, 5, 6)}
    assert pages.newest_ids(100) == {f"{number:032x}" for number in range(7)}
    assert pages.offset(BOOT) == OFFSET + 15
    assert pages.offset(other) == OFFSET + 99
    assert pages.offset("unknown") is None
    pages.close()

"""The log is read without changing anything, and what cannot be read is named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.store.log import Store
from sensor.store.reader import CursorExpired, LogReader, Query
from tests.store.entries import fill, made


def test_the_cursor_of_an_empty_answer_is_the_end(store: Store) -> None:
    page = LogReader(store.path).read(Query(types=frozenset({"alert"})))
    assert (page.entries, page.more, page.cursor) == ((), False, 300)
    assert LogReader(store.path).read(Query(after=300)).cursor == 300


def test_a_cursor_of_the_future_has_expired(tmp_path: Path) -> None:
    fill(tmp_path, made(1))
    with pytest.raises(CursorExpired) as caught:
        LogReader(tmp_path / "castoff.db").read(Query(after=1 << 40))
    assert caught.value.oldest == 0


def test_a_file_that_is_not_there_or_not_ours_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match=r"castoff\.db"):
        LogReader(tmp_path / "castoff.db").read(Query())
    database = sqlite3.connect(tmp_path / "castoff.db")
    database.execute("CREATE TABLE a (b)")
    database.close()
    with pytest.raises(StateUnusable, match="schema 0"):
        LogReader(tmp_path / "castoff.db").extent()
    (tmp_path / "castoff.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StateUnusable, match=r"castoff\.db"):
        LogReader(tmp_path / "castoff.db").read(Query())


def test_an_entry_that_is_damaged_is_left_out_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(5)))
    database = sqlite3.connect(tmp_path / "castoff.db")
    database.execute("UPDATE event SET body = x'00' WHERE sequence = 2")
    database.execute("UPDATE event SET id = 'x' || CAST(x'ff' AS TEXT) WHERE sequence = 3")
    database.execute("UPDATE event SET type = 99 WHERE sequence = 4")
    database.commit()
    database.close()
    page = LogReader(tmp_path / "castoff.db").read(Query())
    assert (len(page.entries), page.damaged, page.cursor) == (3, 2, 5)


def test_the_reader_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, *(made(n) for n in range(5)))
    before = (tmp_path / "castoff.db").read_bytes()
    LogReader(tmp_path / "castoff.db").read(Query())
    assert (tmp_path / "castoff.db").read_bytes() == before

"""The file is opened, made anew, or refused by its version and its place."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.store.database import FILE_NAME, KEPT_DAMAGED, Database
from sensor.store.log import Store
from sensor.store.schema import SCHEMA_VERSION, VERSIONS
from tests.store.entries import BOOT, WEB, Heard, fill, made, numbers, opened, read


def test_a_new_file_is_a_new_stream(tmp_path: Path) -> None:
    fill(tmp_path, made(1))
    with opened(tmp_path) as store:
        stream = store.health().stream
    with opened(tmp_path) as store:
        assert store.health().stream == stream
    (tmp_path / FILE_NAME).write_bytes(b"rubbish" * 100)
    with opened(tmp_path) as store:
        assert store.health().stream != stream
        assert store.health().moved_aside == tmp_path / "castoff.damaged-1"


def test_only_so_many_damaged_files_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT_DAMAGED + 3):
        (tmp_path / FILE_NAME).write_bytes(b"rubbish %d" % number * 100)
        (tmp_path / f"{FILE_NAME}-wal").write_bytes(b"its log")
        Database(tmp_path).open().close()
    names = sorted(path.name for path in tmp_path.glob("castoff.damaged-*"))
    expected = [f"castoff.damaged-{n}" for n in range(4, KEPT_DAMAGED + 4)]
    assert [name for name in names if "-" not in name.removeprefix("castoff.damaged-")] == expected
    assert f"{expected[0]}-wal" in names


def test_a_file_of_version_1_keeps_what_is_known(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA journal_mode = WAL")
    for statement in VERSIONS[1]:
        database.execute(statement)
    database.execute("INSERT INTO checkpoint VALUES (1, ?, 77)", (BOOT,))
    row = (WEB.id, "", BOOT, None, None, 0, 3, 1, 2, 0, None, None, None)
    database.execute(f"INSERT INTO container VALUES ({','.join('?' * 13)})", row)
    database.execute("PRAGMA user_version = 1")
    database.commit()
    database.close()
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        restored = store.restored(1, BOOT)
        assert restored is not None
        assert (restored.seen, restored.containers) == (77, (WEB,))
        assert store.append([made(1)]) == range(1, 2)
        assert numbers(read(store)) == [1]
    assert heard.moved_aside == []


@pytest.mark.parametrize("in_wal", [False, True])
def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path, in_wal: bool) -> None:
    directory = tmp_path / "newer"
    fill(directory, made(1))
    database = sqlite3.connect(directory / FILE_NAME)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    if in_wal:
        shutil.copytree(directory, tmp_path / "killed")
        directory = tmp_path / "killed"
        (directory / f"{FILE_NAME}-shm").unlink()
    database.close()
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert (f"{FILE_NAME}-wal" in before) is in_wal
    with pytest.raises(StateUnusable, match=f"schema {SCHEMA_VERSION + 1}"):
        Store(directory)
    after = {path.name: path.read_bytes() for path in directory.iterdir()}
    assert {name: data for name, data in after.items() if "-shm" not in name} == before


def test_a_place_that_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory" / FILE_NAME).mkdir(parents=True)
    for place in ("file", "directory"):
        with pytest.raises(StateUnusable, match=place):
            Store(tmp_path / place)

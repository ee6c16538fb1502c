"""Damaged, cut, older and newer files: read, moved aside, brought up to date, or refused."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.store.database import CHECKED_WHOLE, FILE_NAME, KEPT_DAMAGED, Database
from sensor.store.log import Store
from sensor.store.reader import CursorExpired, Query, Reader
from sensor.store.schema import SCHEMA_VERSION, VERSIONS
from tests.store.entries import BOOT, PATIENCE, Heard, fill, made, numbers, opened, read
from tests.store.test_log import WEB


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with a bit of everything."""
    directory = tmp_path_factory.mktemp("sound")
    with opened(directory) as store:
        store.append([made(n, kind=f"type-{n % 3}", name=f"app-{n}") for n in range(200)])
        store.note(BOOT, 5, (WEB,), ())
        store.acknowledge("forward", 3)
        store.count(BOOT, {"dropped": 1})
    return (directory / FILE_NAME).read_bytes()


def survives(directory: Path, data: bytes) -> Path | None:
    """Open a file that holds ``data``: all that a store does works. Returns where it was moved."""
    directory.mkdir(exist_ok=True)
    (directory / FILE_NAME).write_bytes(data)
    heard = Heard()
    with opened(directory, heard=heard) as store:
        store.restored(1)
        store.append([made(n) for n in range(1000, 1010)])
        store.note(BOOT, 6, (WEB,), ())
        store.mark("all")
        assert store.flush(PATIENCE)
        assert heard.durable == ["all"]
        reader = Reader(store.path)
        for query in (
            Query(rows=1000),
            Query(types=frozenset({"type-1"})),
            Query(since=0),
            Query(container="web"),
        ):
            with contextlib.suppress(StateUnusable, CursorExpired):
                reader.read(query)
    return heard.moved_aside[-1] if heard.moved_aside else None


def test_a_file_cut_anywhere_is_read_or_moved_aside(tmp_path: Path, sound: bytes) -> None:
    assert survives(tmp_path / "whole", sound) is None
    assert survives(tmp_path / "empty", b"") is None
    sizes = [1, 16, 99, 100, 511, 4095, 4096, *range(8191, len(sound), 8192), len(sound) - 1]
    for size in sizes:
        moved = survives(tmp_path / str(size), sound[:size])
        # SQLite takes a file of one byte for an empty one.
        assert (moved is not None) is (size > 1)
        assert moved is None or moved.read_bytes() == sound[:size]


FLIPS = st.lists(
    st.tuples(st.one_of(st.integers(0, 120), st.integers(0, 1 << 18)), st.integers(0, 7)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(flips=FLIPS)
@example(flips=[(18, 0)])  # the header's write version: the file can only be read
def test_flipped_bits_are_read_or_moved_aside_or_refused(
    sound: bytes, flips: list[tuple[int, int]]
) -> None:
    raw = bytearray(sound)
    for place, bit in flips:
        raw[place % len(raw)] ^= 1 << bit
    version = int.from_bytes(raw[60:64], "big", signed=True)
    refused = contextlib.suppress(*([StateUnusable] if version > SCHEMA_VERSION else []))
    with tempfile.TemporaryDirectory() as base, refused:
        survives(Path(base), bytes(raw))


@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=200), cut=st.integers(0, 1 << 16), flip=st.integers(0, 1 << 16))
def test_a_write_ahead_log_that_is_cut_or_damaged_ends_early(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, flip: int
) -> None:
    base = tmp_path_factory.mktemp("wal")
    with opened(base / "running") as store:
        for n in range(5):
            store.append([made(n, body=data)])
            store.flush(PATIENCE)
        shutil.copytree(base / "running", base / "killed")
    wal = base / "killed" / f"{FILE_NAME}-wal"
    raw = bytearray(wal.read_bytes())
    raw[flip % len(raw)] ^= 0x10
    wal.write_bytes(raw[: len(raw) - cut % len(raw)])
    with opened(base / "killed") as store:
        kept = numbers(read(store))
        assert kept == list(range(len(kept)))
        store.append([made(99)])
        assert numbers(read(store))[-1] == 99


def test_damage_in_the_middle_of_a_large_log_is_dealt_with_when_it_is_met(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4
    fill(tmp_path, *(made(n, body=body + b"%d" % n * 99) for n in range(200)))
    path = tmp_path / FILE_NAME
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE filler AS SELECT zeroblob({CHECKED_WHOLE}) AS zeros")
    roots = dict(database.execute("SELECT name, rootpage FROM sqlite_schema"))
    database.close()
    with path.open("r+b") as file:
        file.seek((roots["event_name"] - 1) * 4096)
        file.write(b"\xff" * 4096)
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        assert heard.moved_aside == []
        assert Reader(path).read(Query(rows=1)).entries
        with pytest.raises(StateUnusable):
            Reader(path).read(Query(container="web"))
        first = store.append([made(1000)])[0]
        assert numbers(read(store)) == [*range(200), 1000]
        assert len(heard.moved_aside) == 1
        assert heard.salvaged[0].events == 200
        assert numbers(tuple(one.entry for one in Reader(path).read(Query(after=5)).entries))
        assert store.append([made(1001)])[0] == first + 1


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


# --------------------------------------------------------------- versions


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
        restored = store.restored(1)
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

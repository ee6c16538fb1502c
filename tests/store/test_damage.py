"""A damaged file is read, moved aside or refused, and never believed."""

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
from sensor.store.database import CHECKED_WHOLE, FILE_NAME
from sensor.store.reader import CursorExpired, LogReader, Query
from sensor.store.schema import SCHEMA_VERSION
from tests.store.entries import BOOT, PATIENCE, WEB, Heard, fill, made, numbers, opened, read


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
        store.restored(1, BOOT)
        store.append([made(n) for n in range(1000, 1010)])
        store.note(BOOT, 6, (WEB,), ())
        store.mark("all")
        assert store.flush(PATIENCE)
        assert heard.durable == ["all"]
        reader = LogReader(store.path)
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
        assert LogReader(path).read(Query(rows=1)).entries
        with pytest.raises(StateUnusable):
            LogReader(path).read(Query(container="web"))
        first = store.append([made(1000)])[0]
        assert numbers(read(store)) == [*range(200), 1000]
        assert len(heard.moved_aside) == 1
        assert heard.salvaged[0].events == 200
        assert numbers(tuple(one.entry for one in LogReader(path).read(Query(after=5)).entries))
        assert store.append([made(1001)])[0] == first + 1

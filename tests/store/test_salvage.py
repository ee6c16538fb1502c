"""A damaged log is salvaged (case sec-damaged-log-is-given-up)."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.store.compression import BUILT_IN, mended, name_of
from sensor.store.database import FILE_NAME
from sensor.store.entry import NewEntry, unpack
from sensor.store.log import Store
from sensor.store.page_scan import PAGE_BYTES, PageFile, ScanCounts
from sensor.store.pages import Pages
from sensor.store.salvage import Salvaged, events_of, salvage
from sensor.store.small_tables import MOMENT_TOLERANCE
from tests.store.entries import BOOT, OFFSET, PATIENCE, SECOND, Heard, made, opened
from tests.store.test_log import WEB

EVENTS = 800
ROWS_OF_A_PAGE = 64
"""More rows than any page of the sample has."""


def event(number: int) -> NewEntry:
    """Return an entry whose body holds what the columns hold, as all of an agent's do."""
    kind = ("container.start", "container.stop", "gap")[number % 3]
    container = f"{number * 7:064x}" if number % 3 < 2 else None
    wall = number * SECOND + OFFSET
    seconds, rest = divmod(wall, SECOND)
    moment = (
        sqlite3.connect(":memory:")
        .execute("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch')", (seconds,))
        .fetchone()[0]
    )
    body = {
        "schema": "castoff.event/1",
        "type": kind,
        "id": f"{number:032x}",
        "time": f"{moment}.{rest:09d}Z",
        "host": {"boot_id": BOOT},
        "container": {"id": container, "name": f"app-{number}"} if container else None,
        "argv": [str(random.Random(number).random()) for _ in range(6)],
    }
    name = f"app-{number}" if container else None
    line = json.dumps(body).encode() + b"\n"
    return NewEntry(f"{number:032x}", kind, number * SECOND, wall, BOOT, container, name, line)


ENTRIES = {number: event(number) for number in range(EVENTS)}


class Sample(bytes):
    """A file's content that a failing test does not print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Sample({len(self)} bytes)"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("sound")
    with opened(directory) as store:
        for first in range(0, EVENTS, 100):
            store.append([ENTRIES[number] for number in range(first, first + 100)])
            assert store.flush(PATIENCE)
        store.note(BOOT, 5, (WEB,), ())
        store.acknowledge("forward", 500)
        store.count(BOOT, {"dropped": 1})
    return Sample((directory / FILE_NAME).read_bytes())


def flipped(data: bytes, *bits: int) -> bytes:
    raw = bytearray(data)
    for bit in bits:
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return bytes(raw)


def salvaged(directory: Path, data: bytes) -> tuple[dict[int, NewEntry], Salvaged]:
    """Salvage a file into a new log; return its entries by sequence."""
    damaged = directory / "castoff.damaged-1"
    damaged.write_bytes(data)
    with opened(directory / "new") as store:
        assert store.flush(PATIENCE)
    connection = sqlite3.connect(directory / "new" / FILE_NAME, isolation_level=None)
    found = salvage(damaged, connection)
    connection.close()
    return entries(directory / "new" / FILE_NAME), found


def check(found: dict[int, NewEntry]) -> None:
    """Everything that was salvaged is what was written, in its own place."""
    for sequence, entry in found.items():
        written = ENTRIES[sequence - 1]
        assert abs(entry.time - written.time) <= MOMENT_TOLERANCE
        assert replace(entry, time=written.time) == written


def test_a_sound_file_is_salvaged_whole(tmp_path: Path, sound: bytes) -> None:
    found, result = salvaged(tmp_path, sound)
    assert len(found) == EVENTS
    check(found)
    assert (result.events, result.lost, result.complete) == (EVENTS, 0, True)


def test_one_wrong_bit_costs_at_most_the_rows_of_a_page(tmp_path: Path, sound: bytes) -> None:
    """Of some sixty single flips all over the file, the header's among them."""
    bits = len(sound) * 8
    places = [*range(0, 800, 50), *range(801, bits, bits // 45)]
    for number, place in enumerate(places):
        base = tmp_path / str(number)
        base.mkdir()
        found, result = salvaged(base, flipped(sound, place))
        check(found)
        assert len(found) >= EVENTS - ROWS_OF_A_PAGE, f"bit {place}"
        assert result.events == len(found)
        if len(found) < EVENTS:
            assert result.lost in (None, EVENTS - len(found)), f"bit {place}"
        shutil.rmtree(base)


@settings(max_examples=20, deadline=None)
@given(flips=st.lists(st.integers(0, 1 << 40), min_size=1, max_size=40))
def test_nothing_wrong_is_ever_salvaged(sound: bytes, flips: list[int]) -> None:
    with tempfile.TemporaryDirectory() as base:
        found, result = salvaged(Path(base), flipped(sound, *flips))
        check(found)
        assert result.events == len(found)
        if len(found) < EVENTS:
            assert result.lost != 0


@settings(max_examples=12, deadline=None)
@given(size=st.integers(0, 1 << 24))
def test_a_file_cut_anywhere_is_read_up_to_there(sound: bytes, size: int) -> None:
    size %= len(sound)
    with tempfile.TemporaryDirectory() as base:
        found, result = salvaged(Path(base), sound[:size])
        check(found)
        assert result.events == len(found)
        assert result.lost != 0 or len(found) == EVENTS


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=3 * PAGE_BYTES))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        found, _ = salvaged(Path(base), data)
        assert found == {}


def test_the_agent_goes_on_where_the_damaged_log_ended(tmp_path: Path, sound: bytes) -> None:
    """The outputs' cursors, the stream and what is known of containers come along."""
    (tmp_path / FILE_NAME).write_bytes(sound)
    with opened(tmp_path) as store:
        stream = store.health().stream
        following = store.health().next
    (tmp_path / FILE_NAME).write_bytes(flipped(sound, 20 * 8))
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        assert len(heard.moved_aside) == 1
        assert heard.salvaged[0].events == EVENTS
        assert heard.salvaged[0].lost == 0
        assert store.health().stream == stream
        assert store.cursors == {"forward": 500}
        assert store.counters(BOOT) == {"dropped": 1}
        known = store.restored(1)
        assert known is not None
        assert [container.id for container in known.containers] == [WEB.id]
        (first,) = store.append([made(EVENTS + 5)])
        assert first >= following
        page = _all(store)
        assert page == [*range(1, EVENTS + 1), first]


def test_events_of_the_write_ahead_log_are_salvaged(tmp_path: Path) -> None:
    with opened(tmp_path / "running") as store:
        store.append([ENTRIES[number] for number in range(300)])
        assert store.flush(PATIENCE)
        shutil.copytree(tmp_path / "running", tmp_path / "killed")
    damaged = tmp_path / "killed" / FILE_NAME
    assert damaged.with_name(f"{FILE_NAME}-wal").stat().st_size > PAGE_BYTES
    counts = ScanCounts()
    assert len({one.sequence for one in events_of(damaged, counts)}) == 300


def test_what_takes_too_long_is_left_for_by_hand(tmp_path: Path, sound: bytes) -> None:
    damaged = tmp_path / "castoff.damaged-1"
    damaged.write_bytes(sound)
    with opened(tmp_path / "new"):
        pass
    connection = sqlite3.connect(tmp_path / "new" / FILE_NAME, isolation_level=None)
    ticks = iter(range(10_000))
    found = salvage(damaged, connection, 2, lambda: float(next(ticks)))
    assert not found.complete
    assert found.lost is None
    assert 0 < found.events < EVENTS
    newest = connection.execute("SELECT max(sequence) FROM event").fetchone()[0]
    assert newest == EVENTS
    connection.close()


def test_a_missing_file_salvages_nothing(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    connection = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    assert salvage(tmp_path / "none", connection) == Salvaged(complete=False)
    connection.close()


def test_a_scan_counts_what_it_met(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(sound)
    counts = ScanCounts()
    pages = PageFile(path)
    assert sum(1 for record in pages.records(counts) if len(record.values) == 12) == EVENTS
    assert counts.is_whole
    assert counts.pages == len(sound) // PAGE_BYTES
    pages.close()


@given(place=st.integers(0, len(BUILT_IN) - 1), bit=st.integers(0, 7))
def test_one_wrong_bit_of_a_dictionary_is_turned_back(place: int, bit: int) -> None:
    wrong = flipped(BUILT_IN, place * 8 + bit)
    assert mended(wrong, name_of(BUILT_IN)) == BUILT_IN


def entries(path: Path) -> dict[int, NewEntry]:
    """Return all of a log by sequence, more than one answer of the reader has."""
    pages = Pages(path)
    page = pages.after(0, EVENTS + 10, 1 << 30)
    pages.close()
    assert page.damaged == 0
    connection = sqlite3.connect(path)
    columns = {
        sequence: (moment, boot, container, name)
        for sequence, moment, boot, container, name in connection.execute(
            "SELECT sequence, time, boot_id, container, name FROM event"
            " JOIN boot ON boot.number = event.boot"
        )
    }
    connection.close()
    found: dict[int, NewEntry] = {}
    for row in page.rows:
        moment, boot, container, name = columns[row.sequence]
        id_ = container if container is None else unpack(container)
        found[row.sequence] = NewEntry(
            row.id, row.type, moment, row.wall, boot, id_, name, row.body
        )
    return found


def _all(store: Store) -> list[int]:
    assert store.flush(PATIENCE)
    return sorted(entries(store.path))

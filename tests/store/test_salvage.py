"""What can be read of a damaged log is carried over, and nothing wrong."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.store.batch import DeadLetter
from sensor.store.compression import BUILT_IN, mended, name_of
from sensor.store.database import FILE_NAME
from sensor.store.log import Store
from sensor.store.page_scan import PAGE_BYTES, ScanCounts
from sensor.store.pages import Pages
from sensor.store.salvage import Salvaged, events_of, salvage
from tests.store.damaged_files import ENTRIES, EVENTS, check, entries, salvaged
from tests.store.entries import BOOT, OFFSET, PATIENCE, WEB, Heard, made, opened

ROWS_OF_A_PAGE = 64
"""More rows than any page of the sample has."""


def flipped(data: bytes, *bits: int) -> bytes:
    raw = bytearray(data)
    for bit in bits:
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return bytes(raw)


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
        known = store.restored(1, BOOT)
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


def test_dead_letters_of_a_damaged_log_are_still_there(tmp_path: Path) -> None:
    refused = [DeadLetter(sequence, f"no {sequence}", OFFSET) for sequence in (2, 4)]
    with opened(tmp_path) as store:
        store.append([ENTRIES[number] for number in range(4)])
        assert store.flush(PATIENCE)
        store.add_dead_letters("local", refused)
        assert store.flush(PATIENCE)
    path = tmp_path / FILE_NAME
    path.write_bytes(flipped(path.read_bytes(), 20 * 8))
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        assert len(heard.moved_aside) == 1
        assert store.flush(PATIENCE)
    pages = Pages(path)
    kept = pages.dead("local", 0, 9).rows
    pages.close()
    assert [(row.sequence, row.id, row.body) for row in kept] == [
        (number + 1, ENTRIES[number].id, ENTRIES[number].body) for number in (1, 3)
    ]


def test_an_event_has_its_type_and_its_boot_from_its_own_body(tmp_path: Path, sound: bytes) -> None:
    """The tables that its columns name are lost, as a page of each may be."""
    file = tmp_path / "robbed.db"
    file.write_bytes(sound)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    for table in ("type", "boot"):
        connection.execute(f"DELETE FROM {table}")
    connection.close()
    found, result = salvaged(tmp_path, file.read_bytes())
    assert (result.events, result.complete) == (EVENTS, True)
    check(found)


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


@given(place=st.integers(0, len(BUILT_IN) - 1), bit=st.integers(0, 7))
def test_one_wrong_bit_of_a_dictionary_is_turned_back(place: int, bit: int) -> None:
    wrong = flipped(BUILT_IN, place * 8 + bit)
    assert mended(wrong, name_of(BUILT_IN)) == BUILT_IN


def _all(store: Store) -> list[int]:
    assert store.flush(PATIENCE)
    return sorted(entries(store.path))

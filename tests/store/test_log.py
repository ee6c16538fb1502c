"""The log gives back what it was given, once and in order."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sensor.store.callbacks import Callbacks
from sensor.store.compression import BUILT_IN, LEARN_AFTER, Packer, Unpacker
from sensor.store.log import Store, StoreSettings
from sensor.store.reader import LogReader, Query
from sensor.store.rows import RESERVE
from tests.store.entries import PATIENCE, Heard, fill, made, numbers, opened, read


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    entries = (
        made(1),
        made(2, kind="gap", container="box", name=None),
        replace(made(3), container_id=None, name="a\u202e\n"),
        replace(made(4), id="an id of its own"),
    )
    with opened(tmp_path) as store:
        assert store.append(entries) == range(1, 5)
        assert read(store) == entries
    with opened(tmp_path) as store:
        assert read(store) == entries
        assert store.append([made(5)]) == range(5, 6)


def test_a_mark_is_reported_once_all_before_it_is_durable(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        for number in range(500):
            store.append([made(number)])
            store.mark(number)
        assert store.flush(PATIENCE)
        heard.wait(heard.durable)
    reported = [int(str(token)) for token in heard.durable]
    assert reported == sorted(set(reported))
    assert reported[-1] == 499


def test_a_mark_with_nothing_before_it_is_reported(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.mark("nothing to write")
        heard.wait(heard.durable)
        assert heard.durable == ["nothing to write"]


def test_no_sequence_is_reported_twice_not_even_after_a_kill(tmp_path: Path) -> None:
    with opened(tmp_path / "running") as store:
        store.append([made(1)])
        store.flush(PATIENCE)
        shutil.copytree(tmp_path / "running", tmp_path / "killed")
        reported = store.append([made(2), made(3)])
    with opened(tmp_path / "killed") as store:
        first = store.append([made(4)])[0]
        assert reported[-1] < first <= RESERVE + 2
        assert numbers(read(store)) == [1, 4]
        assert LogReader(store.path).read(Query(after=reported[-1])).entries[0].sequence == first


def test_bodies_are_packed_with_what_the_node_shows(tmp_path: Path) -> None:
    lines = [b'{"host":"a-name-that-recurs-%d","n":%d}' % (7919 * 2**40, n) for n in range(200)]
    with opened(tmp_path) as store:
        store.append([made(n, body=line) for n, line in enumerate(lines[:LEARN_AFTER])])
        store.flush(PATIENCE)
        store.append([made(n, body=lines[n]) for n in range(LEARN_AFTER, 100)])
    with opened(tmp_path) as store:
        store.append([made(n, body=lines[n]) for n in range(100, 200)])
        assert [entry.body for entry in read(store)] == lines
        store.append([made(1000, boot_id="next", body=b"1"), made(1001, boot_id="next", body=b"2")])
        store.append([made(2000 + n, boot_id="next", body=b"%d" % n) for n in range(50)])
        assert [entry.body for entry in read(store)][-50:] == [b"%d" % n for n in range(50)]


@given(body=st.binary(max_size=3000), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_body_is_noticed(body: bytes, place: int, bit: int) -> None:
    packed = bytearray(Packer().pack(body))
    assert Unpacker(lambda _: None).unpack(bytes(packed)) == body
    packed[place % len(packed)] ^= 1 << bit
    with contextlib.suppress(ValueError):
        assert Unpacker({1: BUILT_IN}.get).unpack(bytes(packed)) == body


def test_closing_twice_and_flushing_after_it_do_no_harm(tmp_path: Path) -> None:
    fill(tmp_path, made(1))
    store = Store(tmp_path)
    assert store.close()
    assert store.close()
    assert store.flush(0.0)


def test_what_is_durable_was_reported_when_a_flush_is_over(tmp_path: Path) -> None:
    reported: list[object] = []

    def tell(token: object) -> None:
        # Slower than those who wait for the flush.
        time.sleep(0.02)
        reported.append(token)

    store = Store(tmp_path, StoreSettings(sync="normal"), Callbacks(durable=tell))
    try:
        for number in range(5):
            store.append([made(number)])
            store.mark(number)
            assert store.flush(PATIENCE)
            assert reported[-1:] == [number]
    finally:
        store.close(PATIENCE)

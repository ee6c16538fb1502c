"""What is appended is kept: in order, once, with what belongs to it, and reported when durable."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.inventory import KnownContainer
from sensor.model.vocabulary import ContainerId
from sensor.store.callbacks import Callbacks
from sensor.store.compression import BUILT_IN, LEARN_AFTER, Packer, Unpacker
from sensor.store.log import Store, StoreSettings
from sensor.store.queue import GROUP_ENTRIES
from sensor.store.reader import Query, Reader
from sensor.store.rows import RESERVE
from tests.store.entries import BOOT, PATIENCE, SECOND, Heard, fill, made, numbers, opened, read

WEB = KnownContainer(
    id=ContainerId("4f2d" * 16),
    scope=None,
    boot_id=BOOT,
    init=None,
    running=False,
    starts=3,
    started_wall=1,
    stopped_wall=2,
    exit_code=0,
    signal=None,
    pod_uid=None,
    pod_container=None,
)


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


def test_entries_are_written_in_groups(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(number) for number in range(10 * GROUP_ENTRIES)])
        assert len(read(store)) == 10 * GROUP_ENTRIES
        assert store.health().commits == 10


def test_a_single_entry_is_written_without_being_asked_for(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(1)])
        store.mark("one")
        heard.wait(heard.durable)
        assert numbers(
            tuple(found.entry for found in Reader(store.path).read(Query()).entries)
        ) == [1]


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


def test_an_event_is_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(1), made(2), made(1)])
        assert numbers(read(store)) == [1, 2]
    with opened(tmp_path) as store:
        assert list(store.append([made(2), made(3)])) == [4, 5]
        assert numbers(read(store)) == [1, 2, 3]
        assert store.health().duplicates == 1
        assert [found.sequence for found in Reader(store.path).read(Query()).entries] == [1, 2, 5]


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
        assert Reader(store.path).read(Query(after=reported[-1])).entries[0].sequence == first


def test_what_waits_can_be_read(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(number) for number in range(5)])
        waiting = store.unwritten(2)
        page = Reader(store.path).read(Query(after=2))
        both = {found.sequence for found in (*waiting, *page.entries)}
        assert both == {3, 4, 5}
        store.flush(PATIENCE)
        assert store.unwritten() == ()


def test_beyond_the_limit_the_newest_are_refused_and_reported(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, StoreSettings(queue_bytes=20_000), heard) as store:
        given_ = store.append([made(number, body=b"x" * 500) for number in range(100)])
        assert given_ == range(1, 101)
        heard.wait(heard.recovered)
        kept = numbers(read(store))
        (loss,) = heard.recovered
        assert loss is not None
        assert kept == list(range(len(kept)))
        assert (loss.lost, loss.since, loss.until) == (
            100 - len(kept),
            len(kept) * SECOND,
            99 * SECOND,
        )
        assert store.health().lost == loss.lost
        assert store.append([made(200)]) == range(101, 102)
        assert numbers(read(store))[-1] == 200


def test_knowledge_is_written_with_the_entries_before_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.restored(1) is None
        store.append([made(1)])
        store.note(BOOT, 7, (WEB,), ())
        store.append([made(2)])
        store.note(BOOT, 8, (replace(WEB, starts=4),), ((ContainerId("other"), None),))
    with opened(tmp_path) as store:
        restored = store.restored(5)
        assert restored is not None
        assert (restored.time, restored.seen) == (5, 8)
        assert restored.containers == (replace(WEB, starts=4),)
        assert store.restored(5) is None
        store.note(BOOT, 9, (), ((WEB.id, WEB.scope),))
        store.note(BOOT, 10, (replace(WEB, starts=2**70),), ())
    with opened(tmp_path) as store:
        restored = store.restored(5)
        assert restored is not None
        assert (restored.seen, restored.containers) == (10, ())


def test_cursors_and_counters_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert (store.cursors, store.counters(BOOT)) == ({}, {})
        store.acknowledge("forward", 5)
        store.acknowledge("forward", 6)
        store.acknowledge("syslog", 1)
        store.count(BOOT, {"lifecycle.dropped": 3})
    with opened(tmp_path) as store:
        assert store.cursors == {"forward": 6, "syslog": 1}
        assert store.counters(BOOT) == {"lifecycle.dropped": 3}
        assert store.counters("another boot") == {}
        store.count("another boot", {"lifecycle.dropped": 1})
    with opened(tmp_path) as store:
        assert store.counters(BOOT) == {}
        assert store.counters("another boot") == {"lifecycle.dropped": 1}
        store.acknowledge("syslog", None)
    with opened(tmp_path) as store:
        assert store.cursors == {"forward": 6}


def test_what_cannot_be_written_keeps_nothing_else_from_it(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(1), replace(made(2), time=2**63), replace(made(3), wall=-(2**70))])
        store.append([made(4, body=b"x" * (2 << 20)), made(5)])
        heard.wait(heard.recovered)
        assert numbers(read(store)) == [1, 5]
        assert store.health().lost == 3
        store.append([made(6)])
        store.count(BOOT, {"too large": 2**64})
        store.flush(PATIENCE)
        store.append([made(8)])
        assert numbers(read(store))[-1] == 8


AWKWARD = st.one_of(
    st.text(max_size=70),
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.from_regex(r"[0-9a-f]{32}|[0-9a-f]{64}|[0-9A-F]{64}", fullmatch=True),
)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.tuples(AWKWARD, AWKWARD), min_size=1, max_size=8))
def test_no_text_keeps_an_entry_from_being_found(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    with opened(tmp_path_factory.mktemp("texts")) as store:
        store.append([made(n, container=id_, name=name) for n, (id_, name) in enumerate(texts)])
        assert numbers(read(store)) == list(range(len(texts)))
        for number, pair in enumerate(texts):
            for asked in pair:
                assert number in numbers(read(store, Query(container=asked, rows=1000)))


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


def test_what_the_judge_remembers_is_kept_with_the_entries_before_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(1)])
        store.keep_judged([("workload", "name/a", b"1"), ("change", "CHG-\udcff", b"x")])
        store.append([made(2)])
        store.keep_judged([("workload", "name/a", b"2"), ("change", "CHG-\udcff", None)])
        store.keep_judged([("container", "c", b"3")])
        assert store.flush(PATIENCE)
    with opened(tmp_path) as store:
        assert store.take_judged() == {("workload", "name/a"): b"2", ("container", "c"): b"3"}


def test_what_follows_from_an_entry_is_in_its_transaction_and_so_are_its_alerts(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as store:
        entries = [made(number) for number in range(1, GROUP_ENTRIES + 2)]
        rows: list[dict[tuple[str, str], bytes | None] | None] = [{} for _ in entries]
        rows[-2] = {("profile", "w"): b"1"}
        rows[-1] = None
        store.append(entries, rows)
        batches = list(store._queue._batches)
        assert [len(one.lines) for one in batches] == [GROUP_ENTRIES + 1]
        assert batches[0].judged == {("profile", "w"): b"1"}
        assert store.flush(PATIENCE)

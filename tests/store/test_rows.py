"""What is written of entries, cursors, counters and knowledge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.model.vocabulary import ContainerId
from sensor.store.reader import LogReader, Query
from tests.store.entries import BOOT, PATIENCE, WEB, Heard, made, numbers, opened, read


def test_an_event_is_kept_once(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(1), made(2), made(1)])
        assert numbers(read(store)) == [1, 2]
    with opened(tmp_path) as store:
        assert list(store.append([made(2), made(3)])) == [4, 5]
        assert numbers(read(store)) == [1, 2, 3]
        assert store.health().duplicates == 1
        assert [found.sequence for found in LogReader(store.path).read(Query()).entries] == [
            1,
            2,
            5,
        ]


def test_knowledge_is_written_with_the_entries_before_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.restored(1, BOOT) is None
        store.append([made(1)])
        store.note(BOOT, 7, (WEB,), ())
        store.append([made(2)])
        store.note(BOOT, 8, (replace(WEB, starts=4),), ((ContainerId("other"), None),))
    with opened(tmp_path) as store:
        restored = store.restored(5, BOOT)
        assert restored is not None
        assert (restored.time, restored.seen) == (5, 8)
        assert restored.containers == (replace(WEB, starts=4),)
        assert store.restored(5, BOOT) is None
        store.note(BOOT, 9, (), ((WEB.id, WEB.scope),))
        store.note(BOOT, 10, (replace(WEB, starts=2**70),), ())
    with opened(tmp_path) as store:
        restored = store.restored(5, BOOT)
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

"""Entries wait for the disk within a limit, and can be read while they wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sensor.store.log import StoreSettings
from sensor.store.queue import GROUP_ENTRIES, Position, Queue
from sensor.store.reader import LogReader, Query
from tests.store.entries import PATIENCE, SECOND, WEB, Heard, made, numbers, opened, read


def test_entries_are_written_in_groups(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([made(number) for number in range(10 * GROUP_ENTRIES)])
        assert len(read(store)) == 10 * GROUP_ENTRIES
        assert store.health().commits == 10


def test_what_an_entry_left_stands_in_its_transaction() -> None:
    """Also where the entries of one call become several transactions."""
    queue = Queue(Position(1))
    left = [replace(WEB, starts=number) for number in range(GROUP_ENTRIES + 2)]
    known = [{(one.id, one.scope): one} for one in left]
    queue.append([made(number) for number in range(len(left))], None, known)
    first = queue.take(0)
    assert first is not None
    assert [*first.ahead.values()] == [left[GROUP_ENTRIES - 1]]
    queue.done(first)
    queue.close()
    second = queue.take(0)
    assert second is not None
    assert (len(second.lines), [*second.ahead.values()]) == (2, [left[-1]])


def test_a_single_entry_is_written_without_being_asked_for(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(1)])
        store.mark("one")
        heard.wait(heard.durable)
        assert numbers(
            tuple(found.entry for found in LogReader(store.path).read(Query()).entries)
        ) == [1]


def test_an_entry_waits_for_others_as_long_as_the_settings_say(tmp_path: Path) -> None:
    slow, quick = Heard(), Heard()
    patient = StoreSettings(group_seconds=10 * PATIENCE)
    with (
        opened(tmp_path / "slow", patient, slow) as waiting,
        opened(tmp_path / "quick", heard=quick) as other,
    ):
        for store in (waiting, other):
            store.append([made(1)])
            store.mark("one")
        quick.wait(quick.durable)
        assert slow.durable == []
        assert waiting.health().commits == 0
        waiting.flush(PATIENCE)
        assert waiting.health().commits == 1


def test_what_waits_can_be_read(tmp_path: Path) -> None:
    heard = Heard()
    with opened(tmp_path, heard=heard) as store:
        store.append([made(number) for number in range(5)])
        waiting = store.unwritten(2)
        page = LogReader(store.path).read(Query(after=2))
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

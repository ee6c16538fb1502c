"""A record that is delivered again is not new."""

from __future__ import annotations

import json
from dataclasses import replace

from sensor.correlate.seen_records import KEYS_LIMIT, SeenRecords
from sensor.model.control_plane import ControlRecord
from tests.correlate.audit_log import Log, records


def sample() -> ControlRecord:
    log = Log()
    log.job(0, "alice", "one")
    (found,) = records(json.dumps(log.lines[0]).encode())
    return found


def numbered(number: int) -> ControlRecord:
    return replace(SAMPLE, key=str(number))


SAMPLE = sample()


def test_a_record_is_new_once() -> None:
    seen = SeenRecords()
    first, second = numbered(1), numbered(2)
    assert [seen.take(one) for one in (first, second, first)] == [True, True, False]
    assert seen.repeated == 1


def test_a_report_of_the_same_start_under_another_key_is_not_new() -> None:
    seen = SeenRecords()
    assert seen.take(replace(numbered(1), observed_key="container"))
    assert not seen.take(replace(numbered(2), observed_key="container"))


def test_the_latest_half_is_remembered() -> None:
    seen = SeenRecords(limit=20_000)
    for number in range(50_000):
        assert seen.take(numbered(number))
    forgotten = sum(seen.take(numbered(number)) for number in range(40_000, 50_000))
    assert forgotten <= 2


def test_the_oldest_are_forgotten_and_nothing_grows() -> None:
    seen = SeenRecords(limit=100)
    size = len(seen._table)
    assert all(seen.take(numbered(number)) for number in range(5000))
    assert len(seen._table) == size
    assert all(seen.take(numbered(number)) for number in range(100))


def test_the_table_is_small() -> None:
    assert len(SeenRecords()._table) <= 32 * KEYS_LIMIT

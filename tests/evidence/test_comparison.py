"""What was shipped of each log: numbers, marks, holes, heads; bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.evidence import comparison
from sensor.evidence.comparison import ShipmentComparison, ShippedLog, is_same, rewritten_mark
from sensor.evidence.shipped import ShippedLine
from sensor.schema.document import encode_line
from sensor.schema.log_stamp import LogPlace
from tests.outputs.sample_events import EVENTS

LINE = encode_line(EVENTS["start"])
LOG = "0f1e2d3c4b5a6978"


@given(st.sets(st.integers(1, 20_000), max_size=60))
def test_holes_are_what_is_missing_between_first_and_last(numbers: set[int]) -> None:
    log = ShippedLog(LOG)
    for number in numbers:
        assert log.put(number, 3) == 0
    missing = {number for first, last in log.holes() for number in range(first, last + 1)}
    expected = set(range(min(numbers), max(numbers))) - numbers if numbers else set()
    assert missing == expected
    assert log.count == len(numbers)


def test_an_event_is_the_same_however_its_json_is_written() -> None:
    document = json.loads(LINE)
    assert is_same(rewritten_mark(dict(reversed(document.items()))), LINE)
    assert not is_same(rewritten_mark(document | {"id": "other"}), LINE)


def test_a_hostile_file_cannot_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "CHUNKS_MAX", 4)
    monkeypatch.setattr(comparison, "LOGS_MAX", 2)
    found = ShipmentComparison()
    for number in range(10):
        place = LogPlace(LOG, 1 + number * 1_000_000)
        list(found.add("file", ShippedLine(number, place, LINE)))
        list(found.add("file", ShippedLine(number, LogPlace(f"{number:016x}", 1), LINE)))
    assert found.overfull
    assert len(found.logs) == 2
    assert found.logs[LOG].count == 4


def test_a_head_of_an_event_that_came_later_is_a_forgery() -> None:
    alive = encode_line(EVENTS["alive"])
    found = ShipmentComparison()
    list(found.add("file", ShippedLine(1, LogPlace(LOG, 50), alive)))
    assert [head.sequence for heads in found.logs[LOG].heads.values() for head in heads] == [41]
    (finding,) = found.add("file", ShippedLine(2, LogPlace(LOG, 41), alive))
    assert finding.what == "it carries the head of number 41, which came later"


def test_two_digests_of_one_number_are_named() -> None:
    alive = encode_line(EVENTS["alive"])
    other = alive.replace(b'"digest":"abab', b'"digest":"cdcd')
    found = ShipmentComparison()
    list(found.add("first", ShippedLine(1, LogPlace(LOG, 50), alive)))
    (finding,) = found.add("second", ShippedLine(1, LogPlace(LOG, 51), other))
    assert finding.what == "number 41 has another digest here than in first, line 1"


def test_numbers_that_the_node_gave_up_are_skipped() -> None:
    found = ShipmentComparison()
    list(found.add("file", ShippedLine(1, LogPlace(LOG, 50), encode_line(EVENTS["alive"]))))
    log = found.logs[LOG]
    assert log.skipped(39, 41)
    assert not log.skipped(38, 41)
    assert not log.skipped(39, 42)

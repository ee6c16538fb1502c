"""The table of events says which day it is, once a day."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sensor.cli.event_table import EventTable
from sensor.cli.table import Table
from sensor.schema.document import encode_line
from tests.outputs.sample_events import EVENTS, START

DAY = 86_400_000_000_000


def test_a_date_comes_before_the_first_event_and_where_the_day_changes() -> None:
    table = EventTable(None, colour=False)
    days = [
        [*table.lines_of(replace(START, time=START.time + at))][:-1] for at in (0, 1, DAY, DAY + 1)
    ]
    assert days == [["2023-11-14"], [], ["2023-11-15"], []]


def test_an_event_of_an_unknown_type_has_no_line() -> None:
    assert [*EventTable(None, colour=False).lines({"type": "of.tomorrow", "id": "1"})] == []


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_out_of_the_log_looks_as_it_did_when_it_happened(name: str) -> None:
    event = EVENTS[name]
    *_, line = EventTable(None, colour=False).lines(json.loads(encode_line(event)))
    assert line == Table(None).line(event)

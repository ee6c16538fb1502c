"""The table of events says which day it is, once a day."""

from __future__ import annotations

from dataclasses import replace

from sensor.cli.event_table import EventTable
from tests.outputs.sample_events import START

DAY = 86_400_000_000_000


def test_a_date_comes_before_the_first_event_and_where_the_day_changes() -> None:
    table = EventTable(None, colour=False)
    days = [
        [*table.lines_of(replace(START, time=START.time + at))][:-1] for at in (0, 1, DAY, DAY + 1)
    ]
    assert days == [["2023-11-14"], [], ["2023-11-15"], []]


def test_an_event_of_an_unknown_type_has_no_line() -> None:
    assert [*EventTable(None, colour=False).lines({"type": "of.tomorrow", "id": "1"})] == []

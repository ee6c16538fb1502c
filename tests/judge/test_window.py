"""Windows in local time, over midnight, over changes of summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from sensor.judge.window import Window

BERLIN = ZoneInfo("Europe/Berlin")
DAY = range(5)


def wall(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def window(start: str, end: str, days: range = range(7), *excepted: date) -> Window:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    return Window(
        "w", BERLIN, "Europe/Berlin", frozenset(days), minute(start), minute(end),
        frozenset(excepted),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        ("2026-11-30T06:59:59", False),
        ("2026-11-30T07:00:00", True),
        ("2026-11-30T16:59:59", True),
        ("2026-11-30T17:00:00", False),
        ("2026-11-29T10:00:00", False),  # a Sunday
        ("2026-07-01T06:00:00", True),  # summer: 08:00 there
        ("2026-07-01T16:30:00", False),
    ],
)
def test_office_hours_are_those_of_the_zone(utc: str, inside: bool) -> None:
    assert window("08:00", "18:00", DAY).holds(wall(utc)) is inside


def test_a_window_reads_as_its_days_hours_and_zone() -> None:
    assert str(window("08:05", "18:30", DAY)) == "w (mon,tue,wed,thu,fri 08:05-18:30 Europe/Berlin)"
    assert str(window("22:00", "24:00")).startswith("w (mon,tue,wed,thu,fri,sat,sun 22:00-24:00 ")


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = window("22:00", "06:00", range(4, 5))
    assert friday.holds(wall("2026-11-27T21:30:00"))
    assert friday.holds(wall("2026-11-28T04:59:00"))
    assert not friday.holds(wall("2026-11-28T05:00:00"))
    assert not friday.holds(wall("2026-11-27T04:00:00"))


def test_an_excepted_day_has_no_window() -> None:
    christmas = window("08:00", "18:00", range(7), date(2026, 12, 25))
    assert not christmas.holds(wall("2026-12-25T10:00:00"))
    assert christmas.holds(wall("2026-12-24T10:00:00"))


def test_an_hour_that_does_not_exist_is_never_inside() -> None:
    """On 29 March 2026 clocks go from 02:00 to 03:00."""
    gap = window("02:00", "03:00")
    assert not gap.holds(wall("2026-03-29T00:59:00"))
    assert not gap.holds(wall("2026-03-29T01:00:00"))
    assert gap.holds(wall("2026-03-28T01:30:00"))


def test_an_hour_that_occurs_twice_is_inside_twice() -> None:
    """On 25 October 2026 clocks go from 03:00 back to 02:00."""
    twice = window("02:00", "03:00")
    assert twice.holds(wall("2026-10-25T00:30:00"))
    assert twice.holds(wall("2026-10-25T01:30:00"))
    assert not twice.holds(wall("2026-10-25T02:00:00"))


@pytest.mark.parametrize("wild", [-(10**30), 10**30, -62_135_596_800 * 10**9])
def test_a_time_that_no_calendar_has_is_outside(wild: int) -> None:
    assert not window("00:00", "24:00").holds(wild)

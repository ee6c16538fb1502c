"""RFC 3339 as Go writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.timestamp import wall_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2017-04-08T11:50:37.794940171Z", 1491652237_794940171),
        ("2017-04-08T11:50:37Z", 1491652237_000000000),
        ("2017-04-08T11:50:37.5Z", 1491652237_500000000),
        ("2017-04-08T13:50:37.5+02:00", 1491652237_500000000),
        ("2017-04-08T06:20:37.5-05:30", 1491652237_500000000),
        ("2017-04-08T11:50:37.7949401719Z", 1491652237_794940171),
        ("0001-01-01T00:00:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("2017-02-30T00:00:00Z", None),
        ("2017-04-08T25:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("2017-04-08", None),
        ("2017-04-08T11:50:37", None),
        ("", None),
        (None, None),
    ],
    ids=str,
)
def test_a_time_is_read_with_its_zone_or_unknown(text: str | None, expected: int | None) -> None:
    assert wall_time(text) == expected


@given(st.one_of(st.text(), st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")))
def test_nothing_makes_it_raise(text: str) -> None:
    found = wall_time(text)
    assert found is None or found > 0

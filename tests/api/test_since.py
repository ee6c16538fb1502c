"""Times as operators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.api.since import parse, to_text

NS = 10**9
NOW = 1_800_000_000 * NS

TIMES = {
    "span": ("10m", NOW - 600 * NS),
    "several-units": ("1d2h3m4s", NOW - 93_784 * NS),
    "blanks-around": (" 5s ", NOW - 5 * NS),
    "unix": ("1700000000", 1_700_000_000 * NS),
    "unix-with-fraction": ("1700000000.25", 1_700_000_000 * NS + NS // 4),
    "utc": ("2027-01-15T08:00:00Z", NOW),
    "no-offset-is-utc": ("2027-01-15T08:00:00", NOW),
    "offset": ("2027-01-15T09:00:00+01:00", NOW),
    "fraction": ("2027-01-15T08:00:00.5Z", NOW + NS // 2),
}


@pytest.mark.parametrize(("text", "wall"), TIMES.values(), ids=TIMES)
def test_a_time_is_read_as_it_was_meant(text: str, wall: int) -> None:
    assert parse(text, NOW) == wall


@pytest.mark.parametrize("text", ["", "m", "10", "10x", "10m5h", "yesterday", "2027-13-01"])
def test_what_is_not_a_time_is_named_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time: write 10m, 2h, "):
        parse(text, NOW)


@given(st.integers(0, 4 * 10**18))
def test_a_time_reads_back(wall: int) -> None:
    assert parse(to_text(wall), NOW) == wall // 10**6 * 10**6

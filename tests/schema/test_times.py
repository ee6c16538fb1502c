"""Times of the event document."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.schema.times import NS_PER_SECOND, rfc3339


@given(st.integers(0, 253_402_300_799), st.integers(0, NS_PER_SECOND - 1))
def test_a_time_has_nine_digits_and_reads_back(seconds: int, rest: int) -> None:
    text = rfc3339(seconds * NS_PER_SECOND + rest)
    assert text is not None
    moment, digits = text.removesuffix("Z").split(".")
    read = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert (int(read.timestamp()), digits) == (seconds, f"{rest:09d}")


@pytest.mark.parametrize("wall", [None, 1 << 80, -(1 << 80)])
def test_what_is_not_a_time_of_a_calendar_is_unknown(wall: int | None) -> None:
    assert rfc3339(wall) is None


def test_a_time_before_the_epoch_counts_its_fraction_forwards() -> None:
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999999Z"

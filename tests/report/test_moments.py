"""Times of events, as they are read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.report.moments import moment, span, wall_of
from sensor.schema.times import rfc3339


@given(st.integers(0, 250_000_000_000_000_000_000))
def test_what_an_event_writes_is_read_again(wall: int) -> None:
    assert wall_of(rfc3339(wall)) == wall


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = wall_of(text)
    assert found is None or isinstance(moment(found), str)


@pytest.mark.parametrize("text", [None, "", "2026-01-01", "2026-01-01T00:00:00", "x" * 19 + "Z"])
def test_what_is_not_a_time_is_unknown(text: str | None) -> None:
    assert wall_of(text) is None


def test_spans_are_short_for_people() -> None:
    assert [span(one) for one in (0.4, 59, 600, 7200, 864_000)] == [
        "0.4 s", "59 s", "10 min", "2 h", "10 d",
    ]  # fmt: skip

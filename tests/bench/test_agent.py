"""What a bench reads out of events."""

from __future__ import annotations

import pytest

from bench.agent import wall


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1970-01-01T00:00:01.000000002Z", 1_000_000_002, id="nanoseconds"),
        pytest.param("2026-11-24T05:00:00.999999999Z", 1_795_496_400_999_999_999, id="today"),
    ],
)
def test_times_of_events_are_read_to_the_nanosecond(text: str, expected: int) -> None:
    assert wall(text) == expected

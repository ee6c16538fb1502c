"""The figures that a bench makes of a list of numbers."""

from __future__ import annotations

import math

import pytest

from bench.numbers import percentile, sure_median


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.5, 100, id="middle"),
        pytest.param(0.99, 198, id="all-but-two-of-200"),
        pytest.param(1.0, 200, id="largest"),
        pytest.param(0.0, 1, id="smallest"),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile(range(200, 0, -1), share) == expected


def test_nothing_measured_has_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_a_median_lies_between_the_bounds_of_its_interval() -> None:
    low, median, high = sure_median([1.0, *range(2, 101), 10_000.0])
    assert (low, median, high) == (41, 51, 61)


def test_the_interval_of_few_numbers_is_all_of_them() -> None:
    assert sure_median([3, 1, 2]) == (1, 2, 3)

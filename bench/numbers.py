"""A few figures of a list of numbers."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

QUARTERS = 4


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that ``share`` (0 to 1) of all do not exceed: the nearest rank."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median between the quartiles."""
    low, median, high = statistics.quantiles(values, n=QUARTERS)
    return low, median, high

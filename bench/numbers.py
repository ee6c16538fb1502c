"""A few figures of a list of numbers."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_INTERVAL = 0.98


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that ``share`` (0 to 1) of all do not exceed: the nearest rank."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def sure_median(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the median between the bounds of its 95 % confidence interval.

    The bounds are order statistics, so nothing is supposed of the distribution: of n values, those
    that are 0.98 times the root of n ranks away from the middle (normal approximation of the
    binomial distribution).
    """
    ordered = sorted(values)
    away = HALF_INTERVAL * math.sqrt(len(ordered))
    half = (len(ordered) - 1) / 2
    low = ordered[max(0, math.floor(half - away))]
    high = ordered[min(len(ordered) - 1, math.ceil(half + away))]
    return low, statistics.median(ordered), high

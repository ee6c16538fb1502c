"""Jobs that come again and again: whether a start is on time, as a sentence.

The gaps between the last starts decide. A period is one where they vary by less than a tenth of
their median. Periods of half a day and more are compared in local time, so that a change to or from
summer time moves no nightly job. A period explains a start that is known. It never raises an alert.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

TIMES_MAX = 17
"""Starts that are remembered: 16 gaps."""
GAPS_MIN = 5
REGULAR = 0.1
"""Share of the median by which gaps vary at most, as the median of their deviations."""
ON_TIME = 0.15
"""Share of the median by which an on-time start may differ at least."""
MISSED_MAX = 8
"""Periods in a row without a start, after which a start is not on time any more."""
MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 7 * 86_400
LOCAL_FROM = 12 * HOUR
LENGTHS_CACHED = 512
NEAR = 0.02
"""Share by which a period may differ from a day or a week that it is named by."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def on_time(times: Sequence[int], at: int, zone: tzinfo) -> str | None:
    """Return when starts come, as in ``every day at 03:00 ± 12 min``; None for one not on time.

    ``times`` are wall-clock seconds of earlier starts, the latest last.
    """
    if len(times) <= GAPS_MIN or at <= times[-1]:
        return None
    gaps = _gaps(times)
    period = _median(gaps)
    if period >= LOCAL_FROM:
        times, at = [_local(one, zone) for one in times], _local(at, zone)
        gaps = _gaps(times)
        period = _median(gaps)
    if period <= 0:
        return None
    gap = at - times[-1]
    missed = max(1, round(gap / period))
    if missed > MISSED_MAX:
        return None
    late, furthest = abs(gap - missed * period), _furthest(gaps, period)
    # Most starts: where no gap differs by much, their median need not be known.
    if late > ON_TIME * period or furthest >= REGULAR * period:
        spread = _median(map(abs, map(period.__sub__, gaps)))
        if spread >= REGULAR * period or late > max(3 * spread, ON_TIME * period):
            return None
    return f"every {_name(period, times, furthest)}"


def _gaps(times: Sequence[int]) -> list[int]:
    return [*map(sub, times[1:], times)]


def _median(values: Iterable[int]) -> int:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _local(at: int, zone: tzinfo) -> int:
    """Return seconds that count by the clock on the wall."""
    try:
        offset = (_EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()
    except (OverflowError, ValueError):
        return at
    return at + (int(offset.total_seconds()) if offset is not None else 0)


def _name(period: int, times: Sequence[int], furthest: int) -> str:
    """Return the period and how far it varied; ``times`` are local from half a day on."""
    if period >= LOCAL_FROM:
        for length, named in ((DAY, "day at {0:%H:%M}"), (WEEK, "{0:%A} at {0:%H:%M}")):
            if abs(period - length) < NEAR * length:
                # Around the last one, since midnight may lie between two of them.
                last, half = times[-1], length // 2
                shifts = [(one - last + half) % length - half for one in times]
                usual = _median(shifts)
                said = named.format(_EPOCH + timedelta(seconds=last + usual))
                return f"{said} ± {_length(max(MINUTE, _furthest(shifts, usual)))}"
    return f"{_length(period)} ± {_length(max(MINUTE, furthest))}"


def _furthest(values: list[int], usual: int) -> int:
    """Return the largest difference."""
    return max(max(values) - usual, usual - min(values))


def _length(seconds: int) -> str:
    return f"{seconds} s" if seconds < MINUTE else _of_minutes((seconds + MINUTE // 2) // MINUTE)


@lru_cache(maxsize=LENGTHS_CACHED)
def _of_minutes(minutes: int) -> str:
    for unit, name in ((DAY // MINUTE, "d"), (HOUR // MINUTE, "h")):
        if minutes >= unit:
            return f"{round(minutes / unit, 1):g} {name}"
    return f"{minutes} min"

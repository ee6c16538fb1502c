"""Times of control planes as wall-clock nanoseconds since the Unix epoch, UTC.

RFC 3339 with zero to nine digits of a second (Azure writes seven), with ``Z``, an offset or, in
Azure's tables, neither. Any other text is an unknown time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

NS_PER_SECOND = 1_000_000_000
_LENGTH_MAX = 40
"""Characters; the longest text that the form below takes has 38."""
_MICROSECONDS = 27

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):?(\d\d))?"
)


def wall(text: object) -> int | None:
    """Return a time of RFC 3339 in ns since the epoch; None for what is not a time."""
    if type(text) is not str:
        return None
    length = len(text)
    if length == _MICROSECONDS and text[26] == "Z":
        # As the API server writes it: 2026-03-02T09:15:27.123456Z.
        fraction, begin = text[20:26], _begin_of(text[:20])
        if begin is not None and fraction.isdigit() and fraction.isascii():
            return begin + int(fraction) * 1000
    found = _TIME.fullmatch(text) if length <= _LENGTH_MAX else None
    if found is None:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    seconds = _seconds(day, clock)
    if seconds is None:
        return None
    ns = int((fraction + "000000000")[:9]) if fraction else 0
    if sign is not None:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return seconds * NS_PER_SECOND + ns


def _seconds(day: str, clock: str) -> int | None:
    return _seconds_of(f"{day}T{clock}")


@lru_cache(maxsize=512)
def _begin_of(moment: str) -> int | None:
    """Return in ns the second that a time begins with: ``2026-03-02T09:15:27.``."""
    if moment[10] != "T" or moment[19] != ".":
        return None
    seconds = _seconds_of(moment[:19])
    return None if seconds is None else seconds * NS_PER_SECOND


@lru_cache(maxsize=512)
def _seconds_of(moment: str) -> int | None:
    try:
        return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None

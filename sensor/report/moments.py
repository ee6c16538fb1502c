"""Points in time of events, and how the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

SECOND = 1_000_000_000
DAY = 86_400 * SECOND

_SECONDS_TEXT = 19
_HALF_YEAR_5138 = 10**11
_WHOLE_FROM = 10
"""Seconds from which a length of time has no decimals: two digits are exact enough."""


@lru_cache(maxsize=4096)
def _seconds(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def wall_of(text: str | None) -> int | None:
    """Return an RFC 3339 time of an event in ns since the epoch; None for anything else."""
    if text is None or not text.endswith("Z"):
        return None
    seconds = _seconds(text[:_SECONDS_TEXT])
    if seconds is None:
        return None
    digits = text[_SECONDS_TEXT + 1 : -1]
    if digits and not (digits.isascii() and digits.isdecimal()):
        return None
    return seconds * SECOND + int((digits or "0")[:9].ljust(9, "0"))


def moment(wall: int | None) -> str:
    """Return a time for people, to the second, UTC."""
    if wall is None or not 0 <= wall // SECOND < _HALF_YEAR_5138:
        return "unknown"
    return f"{datetime.fromtimestamp(wall // SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def day(wall: int) -> str:
    """Return the day of a time, UTC."""
    return moment(wall)[:10]


def span(seconds: float) -> str:
    """Return a length of time for people."""
    for name, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= _WHOLE_FROM else f"{seconds:.1f} s"

"""Times of the event document: RFC 3339, UTC, with nine digits of a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

NS_PER_SECOND = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_CACHED = 256
"""Distinct seconds whose text is kept; the times of one event mostly share two or three."""


@lru_cache(maxsize=SECONDS_CACHED)
def _second_text(seconds: int) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SS`` of seconds since the epoch, None outside of years 1-9999."""
    try:
        return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return None


def rfc3339(wall: int | None) -> str | None:
    """Return a wall time in ns as ``YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ``; None for others."""
    if wall is None:
        return None
    seconds, rest = divmod(wall, NS_PER_SECOND)
    text = _second_text(seconds)
    return None if text is None else f"{text}.{rest:09d}Z"

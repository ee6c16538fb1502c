"""RFC 3339 times as Go's encoding/json writes them, to nanoseconds since the Unix epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_NS_PER_SECOND = 1_000_000_000
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?"
    r"(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = "0001-01-01T00:00:00Z"
_SECONDS_PER_DAY = 86_400


def wall_time(text: str | None) -> int | None:
    """Return ns since the epoch, UTC. None for what is not a time and for Go's zero time.

    Go's zero time is ``0001-01-01T00:00:00Z``: engines write it for "never". Nothing before the
    epoch can be a container's time, so all of that is unknown.
    """
    match = _FORM.fullmatch(text) if text and text != _NEVER else None
    if match is None:
        return None
    (year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes) = (
        match.groups()
    )
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
        if sign:
            offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            moment = moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        return None
    since = moment - _EPOCH
    seconds = since.days * _SECONDS_PER_DAY + since.seconds
    if seconds <= 0:
        return None
    return seconds * _NS_PER_SECOND + int((fraction or "").ljust(9, "0"))

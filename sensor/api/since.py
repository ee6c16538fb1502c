"""Read points in time as operators write them: ``10m``, ``2h30m``, RFC 3339, or Unix seconds."""

from __future__ import annotations

import datetime as dt
import re

_SPAN = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")
_UNIX = re.compile(r"\d{9,11}(?:\.\d{1,9})?")
_SECONDS = (86_400, 3_600, 60, 1)
_NS = 1_000_000_000


def parse(text: str, now_wall: int) -> int:
    """Return the moment that ``text`` means, in ns since the Unix epoch.

    A span counts back from ``now_wall``. A time without an offset is UTC. Raises ValueError with a
    sentence for the person who wrote it.
    """
    text = text.strip()
    span = _SPAN.fullmatch(text)
    if span is not None and any(span.groups()):
        seconds = sum(int(n) * s for n, s in zip(span.groups(), _SECONDS, strict=True) if n)
        return now_wall - seconds * _NS
    if _UNIX.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return int(whole) * _NS + int(fraction.ljust(9, "0") or "0")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a time: write 10m, 2h, 2026-01-31T12:00:00Z or Unix seconds"
        raise ValueError(message) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * _NS + moment.microsecond * 1000


def to_text(wall: int) -> str:
    """Return a moment in ns since the Unix epoch as RFC 3339, to the millisecond."""
    moment = dt.datetime.fromtimestamp(wall // _NS, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall % _NS // 1_000_000:03d}Z"

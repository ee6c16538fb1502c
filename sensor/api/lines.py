"""The lines of an event stream: events with their cursor, and what the stream says of itself.

An event's line is its document of schema ``castoff.event/1`` with one more key in front,
``cursor``. What is not an event has schema ``castoff.stream/1`` and a ``type``:

=============  ==============================================================
``heartbeat``  nothing happened; the cursor has moved on
``gap``        the reader was too slow and is cut; ``gap.lost`` were not sent
``more``       the time for one query is over; ask again after the cursor
``error``      the log cannot be read any more
=============  ==============================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.api.wire import encode

if TYPE_CHECKING:
    from sensor.api.eventlog import Cursor

SCHEMA = "castoff.stream/1"


def with_cursor(line: bytes, cursor: Cursor) -> bytes:
    """Return an event's line with its cursor."""
    return b'{"cursor":"%s",%s' % (str(cursor).encode("ascii"), line[1:])


def heartbeat(cursor: Cursor, time: str) -> bytes:
    """Say that the stream is alive."""
    return _line("heartbeat", cursor, time=time)


def gap(cursor: Cursor, time: str, lost: int) -> bytes:
    """Say that a reader was too slow; ``cursor`` is the last event that it was sent."""
    gap = {"source": "socket", "reason": "the reader is too slow", "until": time, "lost": lost}
    return _line("gap", cursor, gap=gap)


def more(cursor: Cursor) -> bytes:
    """Say that there may be more, after the cursor."""
    return _line("more", cursor)


def error(cursor: Cursor, reason: str) -> bytes:
    """Say that the stream ends early, and why."""
    return _line("error", cursor, error=reason)


def _line(kind: str, cursor: Cursor, **rest: object) -> bytes:
    return encode({"cursor": str(cursor), "schema": SCHEMA, "type": kind, **rest})

"""The lines of a stream: events with their cursor, and what the stream says of itself."""

from __future__ import annotations

import json

import pytest

from sensor.api import lines
from sensor.api.eventlog import Cursor

AT = Cursor("ab", 7)


def test_an_event_gets_its_cursor_in_front_and_stays_as_it_is() -> None:
    line = lines.with_cursor(b'{"schema":"castoff.event/1","type":"gap"}\n', AT)
    assert line == b'{"cursor":"ab-7","schema":"castoff.event/1","type":"gap"}\n'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (lines.heartbeat(AT, "T"), {"type": "heartbeat", "time": "T"}),
        (lines.more(AT), {"type": "more"}),
        (lines.error(AT, "disk"), {"type": "error", "error": "disk"}),
        (
            lines.gap(AT, "T", 5),
            {
                "type": "gap",
                "gap": {
                    "source": "socket",
                    "reason": "the reader is too slow",
                    "until": "T",
                    "lost": 5,
                },
            },
        ),
    ],
    ids=["heartbeat", "more", "error", "gap"],
)
def test_what_a_stream_says_of_itself_is_no_event(line: bytes, expected: dict[str, object]) -> None:
    assert json.loads(line) == {"cursor": "ab-7", "schema": lines.SCHEMA, **expected}
    assert line.endswith(b"\n")

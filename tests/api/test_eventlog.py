"""A cursor names a log and a place in it; a line has its place in the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.api.eventlog import Cursor, line_of
from sensor.store.entry import LogEntry, NewEntry


@given(st.from_regex(r"[a-z0-9]{1,16}", fullmatch=True), st.integers(0, 10**18 - 1))
def test_a_cursor_reads_back(stream: str, sequence: int) -> None:
    cursor = Cursor(stream, sequence)
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "-", "7", "a-", "-7", "a-b", "a-7 ", "é-7", "a-" + "9" * 19])
def test_what_is_not_a_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor"):
        Cursor.parse(text)


def test_a_line_of_the_log_shows_its_place_there() -> None:
    body = b'{"type":"gap","log":null}\n'
    written = NewEntry("1", "gap", 1, 1, "boot", None, None, body)
    assert line_of(LogEntry(7, written, 3), "ab").endswith(b'"log":{"id":"ab","sequence":3}}\n')
    assert line_of(LogEntry(7, written), "ab") == body

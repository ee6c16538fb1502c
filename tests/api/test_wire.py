"""Documents on the socket are printable ASCII on one line, and read back as what they were."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sensor.api.wire import encode


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_document_is_one_printable_line_that_reads_back(document: dict[str, object]) -> None:
    line = encode(document)
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    assert json.loads(line) == document


def test_bytes_that_were_not_utf_8_are_shown_as_bytes() -> None:
    assert encode(["a\udcffb"]) == rb'["a\\xffb"]' + b"\n"
    assert encode(["\ud800"]) == rb'["\\ud800"]' + b"\n"


def test_controls_and_marks_of_direction_are_escaped() -> None:
    assert encode(["\x1b[2J\u202e"]) == rb'["\u001b[2J\u202e"]' + b"\n"

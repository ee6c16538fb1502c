"""The text behind a log driver's prefix, whole."""

from __future__ import annotations

from sensor.sources.controlplane.log_lines import LogLines

TIME = b"2026-03-02T09:15:27.123456789Z "


def test_a_time_before_a_record_is_left_out() -> None:
    assert LogLines().text(TIME + b'{"a":1}') == b'{"a":1}'
    assert LogLines().text(b"2026-03-02T09:15:27.123+01:00 text") == b"text"


def test_parts_of_a_line_are_joined_each_stream_by_itself() -> None:
    lines = LogLines()
    assert lines.text(TIME + b"stdout P {") == b""
    assert lines.text(TIME + b"stderr F other") == b"other"
    assert lines.text(TIME + b'stdout P "a"') == b""
    assert lines.text(TIME + b"stdout F :1}") == b'{"a":1}'
    assert lines.text(TIME + b"stdout F next") == b"next"


def test_other_lines_are_left_alone() -> None:
    assert LogLines().text(b"time=2026-03-02T09:15:27Z level=debug") is None
    assert LogLines().text(b"") is None

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


def test_what_fluentd_and_fluent_bit_write_around_a_record_is_left_out() -> None:
    assert LogLines().text(b'2026-03-02T09:15:27+00:00\tkube.audit\t{"a":1}') == b'{"a":1}'
    assert LogLines().text(b'kube.audit: [1700000000.1, {"a":1}]') == b'{"a":1}'
    assert LogLines().text(b'kube.audit: [[1700000000.1, {}], {"a":1}]') == b'{"a":1}'
    assert LogLines().text(b'kube.audit: [1700000000.1, {"a":1}') is None


def test_syslog_is_left_alone() -> None:
    """Any program of a host may write a line of it."""
    assert LogLines().text(b'Mar  2 09:15:27 host su[1]: {"a":1}') is None
    assert LogLines().text(b'<13>1 2026-03-02T09:15:27Z host su - - - {"a":1}') is None

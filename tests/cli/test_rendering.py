"""An event is a line of JSON, or a line of a table below its header."""

from __future__ import annotations

from sensor.cli.rendering import renderer
from sensor.schema.document import encode_line
from tests.outputs.sample_events import START


def test_json_lines_are_those_of_the_log_and_have_no_header() -> None:
    render, head = renderer("-")
    assert head == b""
    assert render(START) == encode_line(START)


def test_a_table_begins_with_its_header_and_the_day() -> None:
    render, head = renderer("table")
    assert head.split()[:3] == [b"TIME", b"(UTC)", b"EVENT"]
    day, line = render(START).splitlines()
    assert day == b"2023-11-14"
    assert b"web" in line
    assert len(render(START).splitlines()) == 1, "the day is said once"

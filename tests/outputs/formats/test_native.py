"""The native format ships the line as the log has it, byte for byte."""

from __future__ import annotations

from sensor.outputs.delivery import Record
from sensor.outputs.formats.native import FORMAT
from tests.api.sample_agent import line


def test_a_line_is_shipped_as_it_is_and_read_as_a_document() -> None:
    record = Record(7, "id-7", "container.start", 0, line(7))
    assert FORMAT.line(record) == line(7)
    assert FORMAT.document is not None
    assert FORMAT.document(record)["id"] == "id-7"
    assert FORMAT.content_type == "application/json"

"""Envelopes are CloudEvents 1.0 by the project's own reader, and hold the native event whole."""

from __future__ import annotations

import json
import re

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from sensor.outputs.delivery import Record
from sensor.outputs.formats import cloudevents
from tests.outputs.formats.records import RECORDS, record
from tests.outputs.sample_events import EVENTS, ID

ATTRIBUTES = {"specversion", "id", "source", "type", "subject", "time"} | {
    "datacontenttype",
    "dataschema",
}
"""Of the specification; everything else would be an extension."""
URI = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_every_envelope_is_read_by_the_projects_own_reader(given: Record) -> None:
    event = JSONFormat().read(CloudEvent, cloudevents.FORMAT.line(given))
    assert event.get_id() == given.id
    assert event.get_type() == f"castoff.{given.type}"
    assert URI.fullmatch(event.get_source())
    assert event.get_dataschema() == "urn:castoff:schema:event:1"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == json.loads(given.line)
    assert set(event.get_attributes()) <= ATTRIBUTES


@pytest.mark.parametrize("given", RECORDS.values(), ids=RECORDS)
def test_line_and_document_say_the_same(given: Record) -> None:
    assert json.loads(cloudevents.FORMAT.line(given)) == cloudevents.document(given)


def test_the_subject_is_the_container_and_a_gap_has_none() -> None:
    assert cloudevents.document(record(EVENTS["start"]))["subject"] == ID
    assert "subject" not in cloudevents.document(record(EVENTS["gap"]))


def test_a_line_that_is_json_but_not_printable_is_made_so() -> None:
    native = json.loads(record(EVENTS["start"]).line)
    native["container"]["name"] = "\x7f\x9b"
    line = json.dumps(native, ensure_ascii=False).encode() + b"\n"
    line_of_event = cloudevents.FORMAT.line(Record(1, native["id"], native["type"], 0, line))
    assert line_of_event[:-1].decode("ascii").isprintable()
    assert json.loads(line_of_event)["data"] == native

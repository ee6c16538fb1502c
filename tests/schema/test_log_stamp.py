"""An event's place is put into its line, read from it and taken out again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.schema.document import encode_line
from sensor.schema.log_stamp import LogPlace, bare, place_of, stamped
from tests.outputs.sample_events import EVENTS

LOG = "0f1e2d3c4b5a6978"


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_takes_a_place_and_gives_it_back(name: str) -> None:
    line = encode_line(EVENTS[name])
    put = stamped(line, LOG, 17)
    assert place_of(put) == LogPlace(LOG, 17)
    assert json.loads(put) == {**json.loads(line), "log": {"id": LOG, "sequence": 17}}
    assert bare(put) == line
    assert bare(put.rstrip(b"\n")) == line


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"log":null}', b'{"a":1,"log":{}}\n'])
def test_what_is_not_an_event_stays_as_it_is(line: bytes) -> None:
    assert stamped(line, LOG, 17) == line
    assert place_of(line) is None


def test_an_event_without_a_number_stays_as_it_is() -> None:
    line = encode_line(EVENTS["start"])
    assert stamped(line, LOG, None) == line


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    place_of(raw)
    assert bare(raw).endswith(b"\n")


def test_a_name_cannot_forge_a_place() -> None:
    """Quotes in texts are escaped, so only the encoder's own end of the line is one."""
    forged = json.dumps({"name": ',"log":{"id":"ffffffffffffffff","sequence":1}}'}) + "\n"
    assert place_of(forged.encode()) is None

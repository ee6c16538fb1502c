"""RFC 5424 messages: what a strict reader makes of them, whatever the event says."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.outputs.delivery import Record
from sensor.outputs.syslog.rfc5424 import (
    BOM,
    FACILITY_CODES,
    Facility,
    Framing,
    SyslogHeader,
    Unreadable,
    frame,
    message,
)
from sensor.schema.document import encode_line
from tests.outputs.batches import golden_records, record_of
from tests.outputs.sample_events import EVENTS

# The grammar of section 6; SD-PARAM values as section 6.3.3 escapes them.
GRAMMAR = re.compile(
    rb"<(?P<pri>\d{1,3})>1 "
    rb"(?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) "
    rb"(?P<host>[\x21-\x7e]{1,255}) "
    rb"(?P<app>[\x21-\x7e]{1,48}) "
    rb"(?P<proc>[\x21-\x7e]{1,128}) "
    rb"(?P<msgid>[\x21-\x7e]{1,32}) "
    rb"\[(?P<sdid>[\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32})"
    rb'(?P<params>(?: [\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] '
    rb"(?P<msg>.*)",
    re.DOTALL,
)
PARAM = re.compile(rb' ([a-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')


def parsed(content: bytes) -> dict[str, bytes]:
    match = GRAMMAR.fullmatch(content)
    assert match is not None, content
    return match.groupdict()


def params(content: bytes) -> dict[str, str]:
    return {
        name.decode(): re.sub(rb"\\(.)", rb"\1", value).decode()
        for name, value in PARAM.findall(parsed(content)["params"])
    }


@pytest.mark.parametrize("record", golden_records(), ids=lambda one: f"{one.sequence}-{one.type}")
def test_every_golden_event_is_a_message_with_the_event_whole(record: Record) -> None:
    content = message(SyslogHeader(), record, record.line)
    event = json.loads(record.line)
    assert json.loads(parsed(content)["msg"]) == event
    found = params(content)
    assert (found["id"], found["type"]) == (event["id"], event["type"])
    assert found.get("container") == (event["container"] or {}).get("id")
    assert parsed(content)["host"].decode() == event["host"]["name"]


def test_the_example_in_the_documentation_is_what_is_made() -> None:
    record = record_of(1, encode_line(EVENTS["gap"]), wall=1_700_000_000_123_456_789)
    content = message(SyslogHeader(Facility.LOCAL0, 4711), record, b"text\n")
    assert content == (
        b"<131>1 2023-11-14T22:13:20.123456Z node-7 castoff - gap"
        b' [castoff@4711 id="id-of-gap" type="gap"] text'
    )


def test_facilities_have_the_codes_of_the_rfc() -> None:
    assert [FACILITY_CODES[one] for one in Facility] == [1, 3, 4, 10, *range(16, 24)]


def test_a_time_that_is_none_is_the_nil_value() -> None:
    record = record_of(1, encode_line(EVENTS["stop"]), wall=10**30)
    assert parsed(message(SyslogHeader(), record, b"x"))["time"] == b"-"


def test_only_text_beyond_ascii_has_a_byte_order_mark() -> None:
    record = record_of(1, encode_line(EVENTS["start"]))
    assert not parsed(message(SyslogHeader(), record, record.line))["msg"].startswith(BOM)
    assert (
        parsed(message(SyslogHeader(), record, "käse\n".encode()))["msg"] == BOM + "käse".encode()
    )


def test_octets_are_counted_and_newlines_end_a_message() -> None:
    assert frame(Framing.OCTET_COUNTING, "äb".encode()) == b"3 \xc3\xa4b"
    assert frame(Framing.NEWLINE, b"ab") == b"ab\n"


@pytest.mark.parametrize(
    "line", [b"", b"\xff", b"[]", b"{}", b'{"host": 3}', b"[" * 100_000], ids=range(6)
)
def test_a_line_that_is_not_an_event_is_refused(line: bytes) -> None:
    with pytest.raises(Unreadable):
        message(SyslogHeader(), Record(1, "id", "gap", 0, line), line)


@given(
    host=st.none() | st.text(max_size=300),
    id_=st.text(),
    type_=st.text(),
    container=st.none() | st.text(),
    wall=st.integers(-(10**20), 10**20),
)
def test_no_value_breaks_out_of_its_place(
    host: str | None, id_: str, type_: str, container: str | None, wall: int
) -> None:
    event = {
        "id": id_,
        "type": type_,
        "host": {"name": host},
        "container": None if container is None else {"id": container},
    }
    record = record_of(1, json.dumps(event).encode(), wall)
    content = message(SyslogHeader(), record, b"text")
    assert parsed(content)["msg"] == b"text"
    assert b"\n" not in content
    assert list(params(content)) == ["id", "type", *([] if container is None else ["container"])]
    if id_.isprintable():
        assert params(content)["id"] == id_

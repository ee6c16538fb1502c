"""A line of CEF reads back to what went in, whatever that was, and stays one printable line."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.outputs.delivery import Record
from sensor.outputs.formats import cef
from sensor.schema.document import encode_line
from sensor.schema.text import visible
from tests.outputs.formats.cef_reader import parse
from tests.outputs.formats.records import RECORDS, record, record_of, remade, with_container
from tests.outputs.sample_events import EVENTS, ID

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
AWKWARD = st.text("|=\\\n\r \x1b\u202eax", max_size=40)


def shown(text: str) -> str:
    return "\n".join(visible(part) for part in re.split(r"\r\n|[\r\n]", text))


@pytest.mark.parametrize("given_record", RECORDS.values(), ids=RECORDS)
def test_every_event_is_one_line_that_reads_back(given_record: Record) -> None:
    header, extension = parse(cef.FORMAT.line(given_record))
    native = json.loads(given_record.line)
    assert header[1:5] == ["Castoff", "castoff", "0.1.0", native["type"]]
    assert 0 <= int(header[6]) <= 10
    assert extension["externalId"] == native["id"]
    assert int(extension["rt"]) == given_record.wall // 1_000_000
    for key, value in extension.items():
        assert len(value) <= cef.LIMITS.get(key, cef.CUSTOM_LIMIT)
        assert f"{key}Label" not in cef.LIMITS
    assert all(key.removesuffix("Label") in extension for key in extension)
    assert len(cef.FORMAT.line(given_record)) < 64 * 1024


@settings(max_examples=300)
@given(ANY_TEXT | AWKWARD, ANY_TEXT | AWKWARD)
def test_any_text_comes_back(name: str, image: str) -> None:
    line = encode_line(with_container(name=name or None, user=image or None, command=(name,)))
    native = json.loads(line)
    header, extension = parse(cef.FORMAT.line(record_of(line)))
    assert len(header) == 7
    wanted = native["container"]["name"]
    assert extension.get("cs2") == (None if wanted is None else shown(wanted) or None)
    assert extension["cs1"] == ID
    assert extension["act"] == "container-reactivated"


def test_a_start_shows_who_and_what() -> None:
    header, extension = parse(cef.FORMAT.line(record(EVENTS["start"])))
    assert header[5:] == ["Container reactivated", "5"]
    assert (extension["suser"], extension["suid"], extension["duser"], extension["duid"]) == (
        "alice",
        "1000",
        "root",
        "0",
    )
    assert (extension["cs4Label"], extension["cs4"]) == ("startKind", "reactivation")
    assert extension["sproc"] == "docker start web"


def test_a_header_is_escaped_too() -> None:
    native = json.loads(record(EVENTS["sensor"]).line)
    native["sensor"]["action"] = "a|b\\c\n\x1b"
    header, _ = parse(cef.FORMAT.line(remade(native)))
    assert header[5] == "Sensor a|b\\c\\x0a\\x1b"


def test_an_escape_is_never_cut_in_two() -> None:
    for length in range(3990, 4001):
        event = with_container(name="x" * length + "\\" * 20 + "=\n")
        _, extension = parse(cef.FORMAT.line(record(event)))
        assert extension["cs2"].startswith("x" * length)

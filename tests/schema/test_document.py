"""The native encoding: valid, stable, one printable line, whatever the strings hold."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.events import Event
from sensor.schema.document import document, encode_line
from sensor.schema.times import rfc3339
from tests.outputs.sample_events import CONTAINER, EVENTS, START

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z"),
        (1_709_164_800_000_000_000, "2024-02-29T00:00:00.000000000Z"),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999999Z"),
        (253_402_300_800_000_000_000, None),
        (-62_135_596_800_000_000_000, "0001-01-01T00:00:00.000000000Z"),
        (-62_135_596_800_000_000_001, None),
        (10**40, None),
    ],
)
def test_a_wall_time_is_written_in_utc_with_nine_digits(wall: int | None, text: str | None) -> None:
    assert rfc3339(wall) == text


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_line_is_printable_ascii_and_one_line(event: Event) -> None:
    line = encode_line(event)
    assert line.endswith(b"\n")
    text = line[:-1].decode("ascii")
    assert text.isprintable()
    assert json.loads(text)["id"] == event.id


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_key_is_always_there(event: Event) -> None:
    assert list(document(event)) == list(document(START))


def test_unknown_is_null_and_known_to_be_empty_is_an_empty_list() -> None:
    got = json.loads(encode_line(EVENTS["start_bare"]))
    assert got["container"]["name"] is None
    assert got["container"]["labels"] is None
    assert got["container"]["security"] is None
    assert got["container"]["parents"] == []
    assert got["evidence"] == []
    assert got["stop"] is None


def test_a_start_carries_wall_times_of_the_kernels_clock() -> None:
    got = json.loads(encode_line(START))
    assert got["time"] == "2023-11-14T22:13:33.000000123Z"
    assert got["observed"] == "2023-11-14T22:13:33.000400123Z"
    assert got["container"]["created"] == "2023-11-14T22:13:31.000000000Z"
    assert got["initiator"]["process"]["start_time"] == "2023-11-14T22:13:32.000000007Z"
    assert got["evidence"][0]["time"] == "2023-11-14T22:13:33.000000123Z"
    assert got["start"]["previous"]["stopped"] == "2023-11-14T21:13:28.000000000Z"


def test_awkward_text_survives_as_text() -> None:
    container = json.loads(encode_line(EVENTS["start_non_ascii"]))["container"]
    assert container["name"] == "käse-日本-\U0001f40b"
    assert container["labels"] == {
        "evil\x1b[2J": "\x9b31m\x7f\u202e",
        "bytes": "\\xff\\x80 \\ud800",
    }
    assert container["command"] == ["\\xe9", "\x00\n\r\t"]


@given(ANY_TEXT, ANY_TEXT, st.lists(ANY_TEXT))
def test_any_text_makes_valid_json_that_reads_back(name: str, value: str, argv: list[str]) -> None:
    container = dataclasses.replace(
        CONTAINER, name=name, labels=((value, name),), command=tuple(argv)
    )
    line = encode_line(dataclasses.replace(START, container=container))
    assert line.count(b"\n") == 1
    assert line[:-1].decode("ascii").isprintable()
    got = json.loads(line)["container"]
    for text in (got["name"], *got["labels"], *got["command"]):
        text.encode("utf-8")
    for before, after in zip((name, *argv), (got["name"], *got["command"]), strict=True):
        if not any(0xD800 <= ord(character) <= 0xDFFF for character in before):
            assert after == before

"""What holds for every format: one printable line, bounded, repeatable; damage is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.outputs import registry
from sensor.outputs.delivery import Format, Record
from sensor.outputs.formats.reading import ITEMS_LIMIT, TEXT_LIMIT, LineDamaged, read
from tests.outputs.formats.records import RECORDS, record, record_of, remade
from tests.outputs.sample_events import EVENTS

FORMATS = {name: registry.format_of(name) for name in registry.FORMATS}
WHOLE = {"native", "cloudevents"}
"""Those that ship the line as it is in the log, however long."""
LINE_LIMIT = 2 << 20
every_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


@every_format
@pytest.mark.parametrize("given_record", RECORDS.values(), ids=RECORDS)
def test_a_line_is_one_printable_line(form: Format, given_record: Record) -> None:
    line = form.line(given_record)
    assert line.endswith(b"\n")
    text = line[:-1].decode("ascii" if form.name != "cef" else "utf-8")
    assert text.isprintable()
    if form.name not in WHOLE:
        assert len(line) < LINE_LIMIT


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "cef"])
@pytest.mark.parametrize("given_record", RECORDS.values(), ids=RECORDS)
def test_a_line_is_the_document(name: str, given_record: Record) -> None:
    form = FORMATS[name]
    assert form.document is not None
    document = form.document(given_record)
    assert json.loads(form.line(given_record)) == document
    json.dumps(document, allow_nan=False).encode()


def test_texts_and_lists_are_cut_and_that_is_said() -> None:
    event = read(RECORDS["hostile:a label of 64 KiB"])
    ((key, value),) = event.container.pairs("labels")
    assert len(key) == len(value) == TEXT_LIMIT
    assert value.endswith("v…")
    assert event.cut
    assert len(read(RECORDS["hostile:a thousand labels"]).container.pairs("labels")) == ITEMS_LIMIT
    assert not read(RECORDS["docker_run:3"]).cut


def test_lone_surrogates_are_replaced() -> None:
    native = json.loads(record(EVENTS["start"]).line)
    native["container"]["name"] = "a\ud800b"
    assert read(remade(native)).container.text("name") == "a?b"


DAMAGED = [
    b"",
    b"\n",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"a":NaN}',
    b'{"a":' + b"9" * 10_000 + b"}",
    b"[" * 100_000,
    b'{"type":"container.start"}',
    b'{"type":"container.begin","id":"x","time":"2023-11-14T22:13:33.000000123Z"}',
    b'{"type":"container.start","id":"x","time":"yesterday"}',
    b'{"type":"container.start","id":7,"time":"2023-11-14T22:13:33.000000123Z"}',
]
WHOLE_LINE = record(EVENTS["start"]).line
DAMAGED += [
    WHOLE_LINE.replace(b"3605.25", b"1e999"),
    WHOLE_LINE.replace(b"3605.25", b"-Infinity"),
    WHOLE_LINE[:-3],
]
derived = pytest.mark.parametrize(
    "form", [form for name, form in FORMATS.items() if name != "native"], ids=lambda form: form.name
)


@derived
@pytest.mark.parametrize("line", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_line_is_an_error_in_words(form: Format, line: bytes) -> None:
    with pytest.raises(LineDamaged) as damaged:
        form.line(Record(1, "x", "container.start", 0, line))
    assert str(damaged.value).isprintable()
    assert len(str(damaged.value)) < 200


@derived
def test_missing_keys_are_unknown_and_unknown_ones_are_passed_over(form: Format) -> None:
    least = {
        "type": "container.start",
        "id": "x",
        "time": "2023-11-14T22:13:33.000000123Z",
        "container": {"id": "box"},
        "new_block": {"a": [1]},
    }
    assert b"box" in form.line(remade(least))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
START: dict[str, Any] = json.loads(record(EVENTS["start"]).line)
PATHS = [(key,) for key in START] + [
    (key, inner) for key, block in START.items() if isinstance(block, dict) for inner in block
]


@derived
@settings(max_examples=150)
@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_read_or_is_damage(
    form: Format, path: tuple[str, ...], value: object
) -> None:
    native = json.loads(json.dumps(START))
    block = native
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    line = json.dumps(native).encode() + b"\n"
    try:
        reported = form.line(Record(1, "x", "container.start", 0, line))
    except LineDamaged:
        return
    assert reported[:-1].decode().isprintable()


def test_the_same_event_gives_the_same_bytes() -> None:
    for form in FORMATS.values():
        for one in RECORDS.values():
            assert form.line(one) == form.line(record_of(one.line, 7))

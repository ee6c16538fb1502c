"""Whatever stands in a file, reading it yields records or counted errors, and never raises."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import ControlRecord
from sensor.schema.document import encode_line
from sensor.sources.controlplane.framing import FRAME_LIMIT
from sensor.sources.controlplane.reader import BadRecord, Loss, Reader, read

CORPORA = Path(__file__).parents[2] / "corpora" / "controlplane"
FILES = sorted(
    path
    for path in CORPORA.glob("*/*")
    if path.is_file() and path.suffix in {".jsonl", ".json"} and path.name != "expected.jsonl"
)
SAMPLES = [line for path in FILES for line in path.read_bytes().splitlines()]
SMALL = sorted(SAMPLES, key=len)[: len(SAMPLES) * 2 // 3]
Json = Any
ODD: list[Json] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "\x1b[2J\u202e",
    "é" * 9,
    [],
    [None],
    {},
]
PLENTY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)


def readings(data: bytes, piece: int = 1 << 16) -> list[ControlRecord | BadRecord | Loss]:
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
    return list(read(pieces, Reader("file", whole=True)))


def places(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = [place for key, one in value.items() for place in places(one, (*path, key))]
    elif isinstance(value, list):
        inner = [place for key, one in enumerate(value) for place in places(one, (*path, key))]
    else:
        inner = []
    return [path, *inner]


def put(value: Json, path: tuple[Any, ...], other: Json) -> Json:
    if not path:
        return other
    copied = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], other)
    return copied


@PLENTY
@given(st.data())
def test_a_value_of_a_wrong_type_anywhere_costs_that_value_or_its_record(
    data: st.DataObject,
) -> None:
    value = json.loads(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(value)))
        value = put(value, path, data.draw(st.sampled_from(ODD)))
    for one in readings(json.dumps(value).encode() + b"\n"):
        assert isinstance(one, ControlRecord | BadRecord | Loss)


EVERY = sorted(
    path
    for path in CORPORA.rglob("*")
    if path.suffix in {".jsonl", ".json", ".log"}
    and path.name not in {"expected.jsonl", "chains.jsonl"}
)
MUTATED_BYTES = 16_384
"""Longer samples are folders of many records; their records stand in other files, too."""
MUTATIONS_MAX = 4000
"""Of one file; in larger files each sample gives some of its places."""


def survives(data: bytes) -> None:
    """Read bytes and make events of what they hold, as the commands do."""
    made = RequestEvents()
    for one in readings(data):
        assert isinstance(one, ControlRecord | BadRecord | Loss)
        if isinstance(one, ControlRecord):
            for event in made.feed(one, 1 << 62):
                encode_line(event)
    for event in made.close(1 << 62):
        encode_line(event)


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(CORPORA)))
def test_every_sample_of_every_reader_survives_a_wrong_type_at_each_of_its_places(
    path: Path,
) -> None:
    """Values of all types take turns over the places, so that each reader meets each."""
    turn = 0
    lines = [line for line in path.read_bytes().splitlines() if len(line) <= MUTATED_BYTES]
    step = 1 + sum(line.count(b'":') for line in lines) // MUTATIONS_MAX
    for line in lines:
        if not line.startswith((b"{", b"[")):
            survives(line[: len(line) // 2] + b"\n")
            continue
        value = json.loads(line)
        mutated = []
        for place in places(value)[turn % step :: step]:
            turn += 1
            mutated.append(json.dumps(put(value, place, ODD[turn % len(ODD)])).encode())
        survives(b"\n".join(mutated))


NOT_JSON = (
    b"NaN",
    b"-Infinity",
    b"[" * 3000 + b"]" * 3000,
    b'{"a":1,"a":[2]}',
    b'"\\ud800"',
    b"1e999",
)


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(CORPORA)))
def test_every_sample_of_every_reader_survives_what_json_does_not_have(path: Path) -> None:
    """A NaN, an infinity, a bomb of brackets, a key twice, half of a pair of surrogates."""
    for turn, line in enumerate(path.read_bytes().splitlines()[:40]):
        if not line.startswith(b"{"):
            continue
        value = json.loads(line)
        paths = [place for place in places(value) if place]
        for number, odd in enumerate(NOT_JSON):
            place = paths[(turn * 7 + number * 13) % len(paths)]
            text = json.dumps(put(value, place, "@here@")).encode()
            survives(text.replace(b'"@here@"', odd) + b"\n" + line + b"\n")


@PLENTY
@given(st.sampled_from(SMALL), st.data())
def test_a_line_that_is_cut_costs_one_record(line: bytes, data: st.DataObject) -> None:
    whole = b'{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":1}'
    end = data.draw(st.integers(1, len(line) - 1))
    found = readings(line[:end] + b"\n" + whole + b"\n" + whole + b"\n")
    records = [one for one in found if isinstance(one, ControlRecord)]
    assert [one.request.action for one in records[-2:]] == ["docker container start"] * 2


@PLENTY
@given(st.sampled_from(SMALL), st.sampled_from(SMALL), st.data())
def test_lines_of_two_writers_that_interleave_cost_themselves_alone(
    one: bytes, other: bytes, data: st.DataObject
) -> None:
    whole = b'{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":1}'
    at, behind = data.draw(st.integers(1, len(one) - 1)), data.draw(st.integers(1, len(other) - 1))
    mixed = one[:at] + other[:behind] + one[at:] + b"\n" + other[behind:] + b"\n"
    found = readings(mixed + whole + b"\n" + whole + b"\n")
    records = [record for record in found if isinstance(record, ControlRecord)]
    assert [record.request.action for record in records[-2:]] == ["docker container start"] * 2


@PLENTY
@given(st.sampled_from(SMALL), st.data())
def test_any_damage_to_bytes_yields_records_or_errors(line: bytes, data: st.DataObject) -> None:
    damaged = bytearray(line + b"\n" + line)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    for one in readings(bytes(damaged)):
        assert isinstance(one, ControlRecord | BadRecord | Loss)


@PLENTY
@given(st.lists(st.sampled_from(SMALL), min_size=1, max_size=4), st.integers(1, 700))
def test_pieces_do_not_matter(lines: list[bytes], piece: int) -> None:
    data = b"\n".join(lines)
    assert readings(data, piece) == readings(data)


@PLENTY
@given(st.binary(max_size=300))
def test_any_bytes_are_read_to_their_end(data: bytes) -> None:
    readings(data)


@PLENTY
@given(st.text(alphabet='{}[]",:\\\n a1', max_size=80))
def test_any_brackets_and_quotes_are_read_to_their_end(text: str) -> None:
    data = text.encode()
    assert readings(data, 3) == readings(data)


def spread(data: bytes) -> bytes:
    return b"".join(json.dumps(json.loads(line), indent=2).encode() for line in data.splitlines())


def glued(data: bytes) -> bytes:
    return data.replace(b"\n", b"")


def listed(data: bytes) -> bytes:
    return b"[" + b",\n".join(data.splitlines()) + b"]"


def recorded(data: bytes) -> bytes:
    return b'{"Records": [' + b",".join(data.splitlines()) + b'], "more": {"a": [1]}}\n'


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "with a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "in UTF-16, little end first": lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"),
    "in UTF-16, big end first": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "compressed": gzip.compress,
    "compressed in two members": lambda data: (
        gzip.compress(data[:1000]) + gzip.compress(data[1000:])
    ),
    "with carriage returns": lambda data: data.replace(b"\n", b"\r\n"),
    "without line breaks": glued,
    "pretty-printed": spread,
    "as an array": listed,
    "as an array, pretty-printed": lambda data: json.dumps(
        json.loads(listed(data)), indent=1
    ).encode(),
    "as Records": recorded,
    "as Records, twice": lambda data: recorded(data)[:-1] + recorded(data),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [7, 1 << 16])
def test_each_form_of_a_file_has_the_same_records(form: str, piece: int) -> None:
    data = (CORPORA / "aws" / "cloudtrail.jsonl").read_bytes()
    plain = [one.key for one in readings(data) if isinstance(one, ControlRecord)]
    found = readings(FORMS[form](data), piece)
    assert not [one for one in found if isinstance(one, BadRecord)]
    times = 2 if form.endswith("twice") else 1
    assert [one.key for one in found if isinstance(one, ControlRecord)] == plain * times


def test_a_compressed_file_that_is_cut_gives_what_came_before() -> None:
    data = (CORPORA / "kubernetes" / "recorded-1.36.jsonl").read_bytes()
    found = readings(gzip.compress(data)[:20_000])
    assert len([one for one in found if isinstance(one, ControlRecord)]) > 20
    assert [one.reason for one in found if isinstance(one, BadRecord)][-1:] == [
        "gzip data cut short"
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": NaN}', ""),
        (b'{"a": Infinity}', ""),
        (b"[" * 100_000 + b"]" * 100_000, ""),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ""),
        (b'{"a": "' + b"x" * (FRAME_LIMIT + 10) + b'"}', "longer than"),
        (b"x" * (FRAME_LIMIT + 10), "longer than"),
        (b'{"auditID": "\xff\xfe"', ""),
    ],
    ids=["NaN", "infinity", "lists", "objects", "a long object", "a long line", "no UTF-8"],
)
def test_what_no_parser_takes_costs_itself(line: bytes, reason: str) -> None:
    whole = b'{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":1}'
    found = readings(line + b"\n" + whole + b"\n")
    bad = [one for one in found if isinstance(one, BadRecord)]
    assert bad
    assert reason in bad[0].reason
    assert isinstance(found[-1], ControlRecord)


EVENT = (
    b'{"level":"RequestResponse","auditID":"%s","stage":"ResponseComplete","verb":"create",'
    b'"objectRef":{"resource":"pods","namespace":"a","name":"b"},"requestObject":%s}'
)


def test_an_event_inside_of_an_event_of_a_list_is_no_record() -> None:
    """A client writes bodies: neither braces in its texts nor events in its lists end a record."""
    forged = EVENT % (b"forged", b"{}")
    inside = b'{"x":[' + forged + b"," + forged + b'],"y":"}},{\\"","z":"\xc3\xa9"}'
    listed = b'{"kind":"EventList","items":[' + b",".join(
        EVENT % (name, inside) for name in (b"one", b"two", b"three")
    )
    for piece in (7, 1 << 16):
        found = readings(listed + b"]}\n", piece)
        assert [one.request.id for one in found if isinstance(one, ControlRecord)] == [
            "one",
            "two",
            "three",
        ]
        assert len(found) == 3


def test_an_element_with_a_line_that_begins_an_object_is_cut_there_in_pieces_or_whole() -> None:
    data = b'[{"a":\n{"Type":"container","Action":"start","Actor":{},"timeNano":1}}]'
    assert readings(data, 3) == readings(data)


def test_of_two_equal_keys_the_last_counts() -> None:
    (found,) = readings(b'{"Type":"x","Type":"container","Action":"start","Actor":{},"timeNano":1}')
    assert isinstance(found, ControlRecord)
    assert found.request.action == "docker container start"


def test_a_bad_record_is_named_by_its_line_and_item() -> None:
    found = readings(b'\n\n{"auditID":\n{"records":[{"eventName": "x", "eventSource": "y"}, 7]}\n')
    bad = [one.ref for one in found if isinstance(one, BadRecord)]
    assert [(ref.file, ref.line, ref.item) for ref in bad] == [("file", 3, 0), ("file", 4, 1)]


def test_a_line_of_100_mb_costs_itself_and_is_never_held() -> None:
    reader, piece = Reader("file"), b"x" * (1 << 20)
    whole = b'{"Type":"container","Action":"start","Actor":{"ID":"a"},"timeNano":1}'
    found = list(reader.feed(b'{"a":"'))
    for _ in range(100):
        found += reader.feed(piece)
        assert reader.pending <= FRAME_LIMIT + len(piece)
    found += reader.feed(b'"}\n' + whole + b"\n")
    bad, record = found
    assert isinstance(bad, BadRecord)
    assert isinstance(record, ControlRecord)
    assert record.request.ref is not None
    assert record.request.ref.line == 2

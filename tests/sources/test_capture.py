"""Captures: what was written is read, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import stat
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import CaptureMalformed, StateUnusable
from sensor.model.agent_records import ClockSynced
from sensor.model.kernel_records import CommandExit
from sensor.model.process import ProcessKey
from sensor.sources.capture import Arrival, CaptureReader, CaptureWriter, open_capture
from sensor.sources.codec import layout_of
from sensor.sources.packing import ITEMS_LIMIT
from tests.sources.captured import GOOD_ENTRY, header, packed, read, write

KERNEL_TEXT = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


SCALARS: dict[object, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    str: KERNEL_TEXT | st.text(max_size=20),
    types.NoneType: st.none(),
}


def any_value(hint: object) -> st.SearchStrategy[Any]:
    """Every value of a type of the model, made from its type hints."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    if hint in SCALARS:
        return SCALARS[hint]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        return st.one_of(*map(any_value, arguments))
    if typing.get_origin(hint) is tuple and arguments[-1] is ...:
        return st.lists(any_value(arguments[0]), max_size=2).map(tuple)
    if typing.get_origin(hint) is tuple:
        return st.tuples(*map(any_value, arguments))
    assert isinstance(hint, type)
    return st.sampled_from(hint) if issubclass(hint, Enum) else any_record(hint)


def any_record(cls: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls)
    return st.builds(
        cls, **{item.name: any_value(hints[item.name]) for item in dataclasses.fields(cls)}
    )


ARRIVALS = any_value(Arrival)
ARRIVAL = Arrival(
    now=7,
    observations=(
        ClockSynced(time=5, realtime_offset=1_700_000_000_000_000_000),
        CommandExit(time=6, sequence=1, process=ProcessKey(9, 4), status=256),
    ),
)


@settings(max_examples=150, deadline=None)
@given(arrivals=st.lists(ARRIVALS, max_size=3))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[Arrival]
) -> None:
    # Surrogates that never were bytes cannot come back; they are tested below.
    path = tmp_path_factory.mktemp("capture") / "file"
    assert read(write(path, *arrivals)) == arrivals


@settings(max_examples=300, deadline=None)
@given(st.binary())
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CaptureMalformed):
        read(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1))
def test_arbitrary_bytes_after_a_header_are_refused(data: bytes) -> None:
    with pytest.raises(CaptureMalformed):
        read(packed(header()) + data)


MSGPACK_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(
    MSGPACK_VALUES,
    st.sampled_from([*layout_of(Arrival), "none"]),
    st.lists(MSGPACK_VALUES, max_size=9),
)
def test_well_formed_nonsense_is_refused(value: object, tag: str, fields: list[object]) -> None:
    for entry in (value, [1, value], [1, [value]], [1, [[tag, *fields]]]):
        data = packed(header(), entry)
        if entry == [1, []]:
            assert read(data) == [Arrival(1, ())]
        else:
            with pytest.raises(CaptureMalformed):
                read(data)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_byte_never_raises_anything_else(data: st.DataObject) -> None:
    good = bytearray(packed(header(), GOOD_ENTRY))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CaptureMalformed):
        read(bytes(good))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "at byte 0: it is empty", id="empty"),
        pytest.param(b"\x7fELF", "at byte 0: it is not a capture", id="another file"),
        pytest.param(packed(header(version=2)), "reads version 1 only", id="later version"),
        pytest.param(packed(header(version=True)), "reads version 1 only", id="odd version"),
        pytest.param(packed(header(created=None)), "header is incomplete", id="no time"),
        pytest.param(packed(header(layout={"A": [1]})), "is not a name list", id="odd layout"),
        pytest.param(packed(header(layout={})), "Arrival: not in the", id="empty layout"),
        pytest.param(packed(header(), [1]), "Arrival: an array of 2", id="short entry"),
        pytest.param(packed(header(), [1.5, []]), "Arrival.now: int expected", id="float"),
        pytest.param(packed(header(), [True, []]), "Arrival.now: int expected", id="bool"),
        pytest.param(packed(header(), [1, [["Nope"]]]), "unknown class", id="unknown class"),
        pytest.param(
            packed(header(), [1, [["ProcessKey", 1, 2]]]), "unknown class", id="no member"
        ),
        pytest.param(
            packed(header(), [1, [["CommandExit", 6, 1, [9, None], 0, False]]]),
            "ProcessKey.start_time: int expected, got NoneType",
            id="null in a required field",
        ),
        pytest.param(packed(header()) + b"\xc1", "at byte ", id="reserved byte"),
        pytest.param(packed(header()) + b"\x91" * 2000, "StackError", id="deep nesting"),
        pytest.param(packed(header()) + b"\xdd\xff\xff\xff\xff", "exceeds", id="huge array"),
        pytest.param(packed(header()) + b"\xdb\xff\xff\xff\xff", "cut short", id="huge string"),
        pytest.param(packed(header()) + b"\xc7\x05\x01abcde", "exceeds", id="extension"),
        pytest.param(packed(header(), GOOD_ENTRY)[:-1], "cut short", id="cut"),
    ],
)
def test_the_reason_is_said(data: bytes, reason: str) -> None:
    with pytest.raises(CaptureMalformed, match="test: ") as caught:
        read(data)
    assert reason in caught.value.problem


def test_the_offset_is_the_bad_entrys() -> None:
    start = packed(header(), GOOD_ENTRY, GOOD_ENTRY)
    with pytest.raises(CaptureMalformed, match=f"at byte {len(start)}: "):
        read(start + packed([1, 2]))


def test_a_cut_last_entry_is_tolerated_on_request_and_reported() -> None:
    data = packed(header(), GOOD_ENTRY, GOOD_ENTRY)
    reader = CaptureReader(io.BytesIO(data[:-1]), name="test", tolerate_cut=True)
    assert len(list(reader)) == 1
    assert reader.cut
    whole = CaptureReader(io.BytesIO(data), name="test", tolerate_cut=True)
    assert len(list(whole)) == 2
    assert not whole.cut


def test_a_cut_header_is_never_tolerated() -> None:
    with pytest.raises(CaptureMalformed, match="cut short"):
        read(packed(header())[:-1], tolerate_cut=True)


def test_the_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StateUnusable, match="file: File exists"):
        CaptureWriter(path, sensor="0.1.0")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateUnusable):
        CaptureWriter(link, sensor="0.1.0")


def test_the_header_shows_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, ARRIVAL)
    with open_capture(path) as reader:
        assert reader.header.sensor == "0.1.0"
        assert reader.header.created_wall > 1_700_000_000_000_000_000
        assert list(reader) == [ARRIVAL]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StateUnusable, match="nothing: No such file") as caught,
        open_capture(tmp_path / "nothing"),
    ):
        pass
    assert "read" in caught.value.fix


def test_beyond_its_limit_the_writer_stops_for_good_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = CaptureWriter(path, sensor="0.1.0", limit=4000)
    results = [writer.write(ARRIVAL) for _ in range(500)]
    assert writer.full
    assert results == sorted(results, reverse=True)
    assert writer.skipped == results.count(False) > 0
    assert not writer.write(Arrival(8, ()))
    writer.close()
    assert len(read(path.read_bytes())) == results.count(True)
    assert path.stat().st_size <= 4000


def test_an_entry_that_no_reader_would_take_is_skipped(tmp_path: Path) -> None:
    clock = ClockSynced(1, 2)
    with CaptureWriter(tmp_path / "file", sensor="0.1.0") as writer:
        assert writer.write(Arrival(1, (clock,) * ITEMS_LIMIT))
        assert not writer.write(Arrival(1, (clock,) * (ITEMS_LIMIT + 1)))


def test_a_full_disk_is_reported() -> None:
    writer = CaptureWriter.__new__(CaptureWriter)
    writer.path = Path("/dev/full")
    writer.written = 0
    with Path("/dev/full").open("wb", buffering=0) as full:
        writer._file = full
        with pytest.raises(StateUnusable, match="/dev/full: No space left"):
            writer._put(b"x")

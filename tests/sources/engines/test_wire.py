"""The wire decoder agrees with protobuf's own rules and refuses what does not follow them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.engines.wire import WireError, decode, encode_text, timestamp


def test_fields_are_found_by_number_and_unknown_types_are_passed_over() -> None:
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x19" + b"\1" * 8 + b"\x25" + b"\2" * 4 + b"\x12\0"
    message = decode(data)
    assert message.number(1) == 150
    assert message.strings[2] == [b"abc", b""]
    assert message.raw(2) == b""
    assert (message.number(9), message.text(9)) == (0, "")


@given(st.integers(1, 15), st.text(max_size=300))
def test_text_is_read_back(field: int, text: str) -> None:
    assert decode(encode_text(field, text)).text(field) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        decode(data)
    except WireError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x12\x05ab",
        b"\x0b",
        b"\x08" + b"\xff" * 11,
        b"\x12\xff\xff\xff\xff\x7f",
        b"\x19a",
    ],
)
def test_cut_or_odd_messages_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data)


def test_fields_are_bounded() -> None:
    with pytest.raises(WireError):
        decode(b"\x08\x00" * 70_000)


def test_timestamp_is_nanoseconds_since_the_epoch() -> None:
    assert timestamp(b"\x08\x80\x92\xb8\xc3\x06\x10\x07") == 1_752_041_728_000_000_007
    assert timestamp(b"") is None

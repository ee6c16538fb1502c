"""Datagrams of a dump: messages, an end, an error, and what no kernel sends."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.linux import sock_diag

DONE, ERROR, OTHER = 3, 2, 20


def message(kind: int, payload: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, 0, 1, 0) + payload


def test_messages_are_read_until_the_end() -> None:
    found: list[bytes] = []

    def read(one: bytes) -> bool:
        found.append(one)
        return True

    first = message(OTHER, b"abcd") + message(OTHER, b"efgh")
    assert sock_diag.take(first, read)
    assert not sock_diag.take(message(OTHER, b"ijkl") + message(DONE, b"") + first, read)
    assert found == [b"abcd", b"efgh", b"ijkl"]


def test_a_reader_may_end_the_dump() -> None:
    assert not sock_diag.take(message(OTHER, b"abcd") * 2, lambda _: False)


def test_an_error_of_the_kernel_is_raised() -> None:
    with pytest.raises(PermissionError):
        sock_diag.take(message(ERROR, struct.pack("=i", -1)), lambda _: True)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_datagram_is_survived(data: bytes) -> None:
    try:
        sock_diag.take(data, lambda _: True)
    except OSError:
        assert data[4:6] == b"\x02\x00"

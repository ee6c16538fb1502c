"""What is packed comes back the same, and what is hostile is refused before it costs memory."""

from __future__ import annotations

import msgpack
import pytest

from sensor.sources.packing import ITEMS_LIMIT, UnpackException, packer, unpacker

SIZE = 1 << 20


def unpacked(data: bytes) -> object:
    reader = unpacker(SIZE)
    reader.feed(data)
    return reader.unpack()


@pytest.mark.parametrize(
    "value",
    [None, True, 1 << 63, 0.1, "wört", "\udcff\udcfe", b"\xff", ("a", (1, None))],
    ids=repr,
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert unpacked(packer().pack(value)) == value


def test_a_surrogate_that_never_was_a_byte_is_replaced() -> None:
    assert unpacked(packer().pack("a\ud800b")) == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd" + (ITEMS_LIMIT + 1).to_bytes(4, "big"),
        b"\xdb" + (1 << 31).to_bytes(4, "big"),
        b"\xc6" + (1 << 31).to_bytes(4, "big"),
        msgpack.packb(msgpack.ExtType(5, b"x")),
        msgpack.packb({1: 2}),
    ],
    ids=["array", "text", "bytes", "extension", "key"],
)
def test_a_claim_beyond_the_limits_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, UnpackException)):
        unpacked(data)

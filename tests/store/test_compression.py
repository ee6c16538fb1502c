"""Bodies are packed with a dictionary, and a flipped bit is noticed."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.store.compression import (
    BUILT_IN,
    DICTIONARY_LIMIT,
    LEARN_AFTER,
    Learner,
    Packer,
    Unpacker,
    name_of,
)
from tests.api.sample_agent import line


def nothing(_: int) -> bytes | None:
    return None


@given(st.binary(max_size=3000))
def test_a_body_reads_back(body: bytes) -> None:
    assert Unpacker(nothing).unpack(Packer().pack(body)) == body


def test_a_dictionary_of_the_nodes_own_lines_makes_bodies_small() -> None:
    learner, learnt = Learner(), None
    for number in range(LEARN_AFTER):
        learnt = learner.show("container.start", line(number))
    assert learnt is not None
    assert len(learnt) <= DICTIONARY_LIMIT
    packer = Packer()
    plain = packer.pack(line(7))
    packer.use(learnt)
    packed = packer.pack(line(8))
    assert len(packed) < len(plain) / 2
    assert Unpacker({name_of(learnt): learnt}.get).unpack(packed) == line(8)


def test_a_dictionary_may_be_as_long_as_the_limit() -> None:
    dictionary = line(7).ljust(DICTIONARY_LIMIT, b" ")
    body = line(8) * 20
    packed = Packer(dictionary).pack(body)
    assert Unpacker({name_of(dictionary): dictionary}.get).unpack(packed) == body


def test_a_body_of_an_earlier_version_with_a_larger_window_reads_back() -> None:
    stream = zlib.compressobj(3, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, BUILT_IN)
    packed = stream.compress(line(7)) + stream.flush()
    assert Unpacker(nothing).unpack(packed) == line(7)


def test_starts_stand_last_in_a_dictionary() -> None:
    """Deflate finds near matches cheaper."""
    learner, learnt = Learner(), None
    for number in range(LEARN_AFTER):
        kind = "container.start" if number == 0 else "gap"
        learnt = learner.show(kind, b"<%s %d>" % (kind.encode(), number))
    assert learnt is not None
    assert learnt.endswith(b"<container.start 0>")


def test_a_body_of_an_unknown_dictionary_is_refused() -> None:
    packed = Packer(b"another dictionary").pack(b"x")
    with pytest.raises(ValueError, match="unknown dictionary"):
        Unpacker(nothing).unpack(packed)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(place: int, bit: int) -> None:
    packed = bytearray(Packer(BUILT_IN).pack(line(1)))
    packed[place % len(packed)] ^= 1 << bit
    try:
        assert Unpacker(nothing).unpack(bytes(packed)) == line(1)
    except ValueError:
        return


@pytest.mark.parametrize("packed", [b"", b"x", b"x\x9cabcd", b"plain text"])
def test_what_was_not_packed_here_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"not packed here|unknown dictionary"):
        Unpacker(nothing).unpack(packed)

"""Splitters give the same whole pieces whatever way the bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.engines.framing import MessageSplitter
from sensor.sources.engines.session import EngineLost

LIMIT = 12


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


SIZES = st.lists(st.integers(0, 9), max_size=30)


@given(st.lists(st.binary(max_size=20)), SIZES)
def test_messages_come_whole_however_they_are_cut_but_for_those_over_the_limit(
    messages: list[bytes], sizes: list[int]
) -> None:
    splitter = MessageSplitter(LIMIT)
    data = b"".join(b"\0" + len(raw).to_bytes(4, "big") + raw for raw in messages)
    found = [raw for piece in cut(data, sizes) for raw in splitter.feed(piece)]
    assert found == [raw for raw in messages if len(raw) <= LIMIT]
    assert splitter.oversized == sum(len(raw) > LIMIT for raw in messages)


def test_a_compressed_message_ends_the_conversation() -> None:
    with pytest.raises(EngineLost):
        MessageSplitter(LIMIT).feed(b"\1\0\0\0\1x")

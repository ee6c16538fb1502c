"""HPACK where the beginning of a connection is unknown."""

from __future__ import annotations

import time

from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.correlate.engine_api.header_block import BLOCK_MAX, HeaderBlocks, HeaderField

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
HEADERS = st.lists(st.tuples(TEXT.map(str.lower), TEXT), min_size=1, max_size=12)


def fields(headers: list[tuple[str, str]]) -> list[HeaderField]:
    return [HeaderField(name, value) for name, value in headers]


@settings(deadline=None)
@given(st.lists(HEADERS, min_size=1, max_size=12), st.booleans())
def test_what_the_library_encodes_is_read(blocks: list[list[tuple[str, str]]], huff: bool) -> None:
    encoder, decoder = Encoder(), HeaderBlocks()
    for headers in blocks:
        assert decoder.decode(encoder.encode(headers, huffman=huff), cut=False) == fields(headers)


@settings(deadline=None)
@given(st.lists(HEADERS, min_size=2, max_size=12), st.integers(1, 11))
def test_a_late_decoder_is_silent_about_older_entries_and_right_about_later_ones(
    blocks: list[list[tuple[str, str]]], missed: int
) -> None:
    encoder, decoder = Encoder(), HeaderBlocks()
    for number, headers in enumerate(blocks):
        block = encoder.encode(headers)
        if number < missed:
            continue
        for found, (name, value) in zip(decoder.decode(block, cut=False), headers, strict=True):
            assert found.name in (name, None)
            assert found.value in (value, None)


def test_a_cut_block_is_read_up_to_the_cut_and_forgets_the_table() -> None:
    encoder, decoder = Encoder(), HeaderBlocks()
    block = encoder.encode([(":path", "/a.B/C"), ("x", "y" * 50)], huffman=False)
    assert decoder.decode(block[:-10], cut=True) == [HeaderField(":path", "/a.B/C")]
    again = decoder.decode(encoder.encode([(":path", "/a.B/C")]), cut=False)
    assert again == [HeaderField(None, None)]


def test_an_update_of_the_table_size_is_followed() -> None:
    encoder, decoder = Encoder(), HeaderBlocks()
    decoder.decode(encoder.encode([("a", "b")]), cut=False)
    encoder.header_table_size = 0
    encoder.header_table_size = 4096
    block = encoder.encode([("c", "d")])
    assert decoder.decode(block, cut=False) == [HeaderField("c", "d")]


@settings(deadline=None)
@given(st.binary(max_size=BLOCK_MAX + 100))
def test_any_block_is_survived(block: bytes) -> None:
    decoder = HeaderBlocks()
    assert len(decoder.decode(block, cut=False)) <= 128


def test_a_bomb_of_references_is_bounded() -> None:
    encoder, decoder = Encoder(), HeaderBlocks()
    decoder.decode(encoder.encode([("x", "y" * 2000)]), cut=False)
    found = decoder.decode(b"\xbe" * BLOCK_MAX, cut=False)
    assert sum(len(one.value or "") for one in found) <= 128 * 2048


def test_the_cost_of_a_block_is_linear() -> None:
    def seconds(block: bytes) -> float:
        best = 1.0
        for _ in range(5):
            begin = time.process_time()
            HeaderBlocks().decode(block, cut=False)
            best = min(best, time.process_time() - begin)
        return best

    # Integers without an end, the longest Huffman text, and nothing but insertions.
    for unit in (b"\x7f" + b"\xff" * 3, b"\x40\x81\x9c\x81\x9c", b"\x00\xff\x80\x80"):
        short = seconds(unit * (BLOCK_MAX // 4 // len(unit)))
        long = seconds(unit * (BLOCK_MAX // len(unit)))
        assert long <= max(12 * short, 0.005)

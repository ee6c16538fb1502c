"""Ids and texts of entries in the file read back as what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.store.entry import (
    ENTRY_OVERHEAD,
    ID_LIMIT,
    NewEntry,
    blob,
    number,
    pack,
    prefix_ranges,
    string,
    text,
    unpack,
)

HEX = "0123456789abcdef"


@given(st.text(HEX, min_size=64, max_size=64) | st.text(HEX, min_size=32, max_size=32))
def test_an_id_of_hex_digits_takes_half_the_space(id_: str) -> None:
    packed = pack(id_)
    assert isinstance(packed, bytes)
    assert len(packed) == len(id_) // 2
    assert unpack(packed) == id_


@given(st.text(max_size=40))
def test_any_other_id_reads_back_or_as_its_escapes(id_: str) -> None:
    assert unpack(pack(id_)) == text(id_)


def test_a_long_id_is_cut_and_bytes_that_are_no_text_are_escaped() -> None:
    assert pack("x" * 5000) == "x" * ID_LIMIT
    assert text("a\udcff") == "a\\udcff"


@given(st.text(HEX, min_size=64, max_size=64), st.integers(1, 64))
def test_a_beginning_of_an_id_is_in_a_range_of_it(id_: str, length: int) -> None:
    packed = pack(id_)
    ranges = prefix_ranges(id_[:length])
    same = [(low, high) for low, high in ranges if isinstance(low, type(packed))]
    assert any(low <= packed <= high for low, high in same)  # type: ignore[operator] # one type
    other = pack(("f" if id_[0] != "f" else "0") + id_[1:])
    assert not any(low <= other <= high for low, high in same)  # type: ignore[operator] # one type


@pytest.mark.parametrize("read", [string, number, blob])
def test_a_cell_of_another_type_is_a_damaged_file(read: object) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match="should be"):
        read(1.5)
    with pytest.raises(ValueError, match="an id of 3 bytes"):
        unpack(b"abc")


def test_an_entry_costs_its_body_and_a_little_more() -> None:
    entry = NewEntry("1", "gap", 1, 1, "boot", None, None, b"x" * 100)
    assert entry.cost == 100 + ENTRY_OVERHEAD

"""Instructions name maps by a number, which is another in each process."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.bpf import instructions
from sensor.bpf.instructions import NotRelocatable

EXIT = bytes((0x95, 0, 0, 0, 0, 0, 0, 0))
HELPER = struct.pack("<BBhi", 0x85, 0, 0, 14)
"""A call of bpf_get_current_pid_tgid."""


def load_64(value: int, source: int, upper: int = 0) -> bytes:
    return struct.pack("<BBhiBBhi", 0x18, source << 4 | 1, 0, value, 0, 0, 0, upper)


def test_the_name_of_a_map_is_replaced_and_nothing_else() -> None:
    number = load_64(7, 0, upper=5)
    code = load_64(7, 1) + number + HELPER + load_64(9, 1) + EXIT
    assert instructions.maps_of(code) == {7, 9}
    renamed = instructions.renamed(code, {7: 0, 9: 1})
    assert renamed == load_64(0, 1) + number + HELPER + load_64(1, 1) + EXIT
    assert instructions.renamed(renamed, {0: 7, 1: 9}) == code


def test_the_second_half_of_a_load_is_not_an_instruction() -> None:
    second = struct.unpack("<i", bytes((0x18, 0x11, 0, 0)))[0]
    assert instructions.maps_of(load_64(1, 0, upper=second) + EXIT) == set()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(load_64(7, 2), id="a value in a map"),
        pytest.param(load_64(7, 6), id="a map by its place"),
        pytest.param(struct.pack("<BBhi", 0x85, 0x10, 0, 1), id="a call of another program"),
        pytest.param(struct.pack("<BBhi", 0x85, 0x20, 0, 1), id="a call of a kernel function"),
        pytest.param(load_64(7, 1)[:8], id="half a load"),
        pytest.param(EXIT[:7], id="half an instruction"),
    ],
)
def test_what_means_something_to_its_process_only_is_refused(code: bytes) -> None:
    with pytest.raises(NotRelocatable):
        instructions.maps_of(code)


def test_a_map_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotRelocatable, match="instruction 1"):
        instructions.renamed(EXIT + load_64(7, 1), {8: 0})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(code: bytes) -> None:
    try:
        named = instructions.maps_of(code)
    except NotRelocatable:
        return
    same = {name: name for name in named}
    assert instructions.renamed(code, same) == code

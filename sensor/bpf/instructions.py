"""Instructions of BPF programs: the maps that they name.

An instruction is eight bytes (include/uapi/linux/bpf.h, ``struct bpf_insn``): opcode, destination
and source register, offset, immediate value. A load of 64 bits takes two, and names a map by the
descriptor in its immediate value where the source register is BPF_PSEUDO_MAP_FD. A descriptor means
something to one process only, so what is kept has the map's number instead.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LENGTH = 8
"""Bytes of an instruction."""

_LAYOUT = struct.Struct("<BBhi")
_VALUE = struct.Struct("<i")
_VALUE_AT = 4
_LOAD_64 = 0x18
"""BPF_LD | BPF_IMM | BPF_DW."""
_CALL = 0x85
"""BPF_JMP | BPF_CALL."""
_NAMES_MAP = 1
"""BPF_PSEUDO_MAP_FD."""


class NotRelocatable(ValueError):
    """The instructions name something other than a map of the set by its descriptor."""


def maps_of(code: bytes) -> frozenset[int]:
    """Return which maps the instructions name. Raises :class:`NotRelocatable`."""
    return frozenset(value for _, value in _names(code))


def renamed(code: bytes, names: Mapping[int, int]) -> bytes:
    """Return the instructions with other names of maps. Raises :class:`NotRelocatable`."""
    changed = bytearray(code)
    for place, value in _names(code):
        if value not in names:
            raise NotRelocatable(f"instruction {place // LENGTH} names a map that is not there")
        _VALUE.pack_into(changed, place + _VALUE_AT, names[value])
    return bytes(changed)


def _names(code: bytes) -> Iterator[tuple[int, int]]:
    """Yield the place and the value of each name of a map."""
    if len(code) % LENGTH:
        raise NotRelocatable("half an instruction")
    second = False
    for place in range(0, len(code), LENGTH):
        opcode, registers, _, value = _LAYOUT.unpack_from(code, place)
        source = registers >> 4
        if second:
            second = False
            continue
        if opcode == _LOAD_64:
            second = True
            if source == _NAMES_MAP:
                yield place, value
            elif source:
                raise NotRelocatable(f"instruction {place // LENGTH} loads what is not a map")
        elif opcode == _CALL and source:
            raise NotRelocatable(f"instruction {place // LENGTH} calls what is not a helper")
    if second:
        raise NotRelocatable("half a load of 64 bits")

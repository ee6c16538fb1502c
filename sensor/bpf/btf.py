"""Read structure offsets and enum values from the running kernel's BTF.

The kernel publishes its own types at ``/sys/kernel/btf/vmlinux`` (CONFIG_DEBUG_INFO_BTF, since
5.4). The format is documented in the kernel tree, Documentation/bpf/btf.rst: a header, a type
section of variable-length records, and a string section. Only what the probes ask for is
resolved; one pass over some 130,000 types finds where each record starts.
"""

from __future__ import annotations

import struct
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.errors import KernelUnsupported

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_RECORD = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ENUMERATOR = struct.Struct("<Ii")

_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC_PROTO = 8, 9, 10, 11, 13
_VAR, _DATASEC, _DECL_TAG, _TYPE_TAG, _ENUM64 = 14, 15, 17, 18, 19
_ALIASES = frozenset({_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG})

# Bytes that follow the common 12-byte record: (per record, per vlen entry).
_TAIL: dict[int, tuple[int, int]] = {
    _INT: (4, 0),
    _ARRAY: (12, 0),
    _STRUCT: (0, 12),
    _UNION: (0, 12),
    _ENUM: (0, 8),
    _FUNC_PROTO: (0, 8),
    _VAR: (4, 0),
    _DATASEC: (0, 12),
    _DECL_TAG: (4, 0),
    _ENUM64: (0, 12),
}
_LAST_KIND = _ENUM64

_ALIASES_MAX = 64
"""Typedefs and qualifiers in a row; the longest chain of a real kernel has six."""

_DAMAGE = (struct.error, IndexError, ValueError, RecursionError)
"""Errors of reading bytes that are not valid BTF."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure: its offset in bytes and its BTF type id."""

    offset: int
    type_id: int


class Btf:
    """The types of one kernel."""

    def __init__(self, data: bytes, kernel: str) -> None:
        """Index ``data``; ``kernel`` names its origin in error messages.

        Raises :class:`KernelUnsupported` when the bytes are not BTF.
        """
        self.kernel = kernel
        self._data = data
        self._starts: list[int] = [0]
        self._by_name: dict[tuple[int, bytes], int] = {}
        try:
            self._index()
        except _DAMAGE as error:
            raise self._damaged(error) from error

    @classmethod
    def running(cls, path: Path = VMLINUX) -> Btf:
        """Read the running kernel's BTF."""
        try:
            data = path.read_bytes()
        except OSError as error:
            problem = f"no BTF at {path}: {error.strerror}"
            raise KernelUnsupported(problem, _FIX) from error
        return cls(data, str(path))

    def _damaged(self, error: Exception) -> KernelUnsupported:
        return KernelUnsupported(f"BTF of {self.kernel} is damaged: {error}", _FIX)

    def _index(self) -> None:
        data = self._data
        magic, _version, _flags, header, type_off, type_len, str_off, str_len = _HEADER.unpack_from(
            data
        )
        if magic != _MAGIC:
            message = "wrong magic number"
            raise ValueError(message)
        self._strings = header + str_off
        if self._strings + str_len > len(data):
            message = "string section beyond the end"
            raise ValueError(message)
        position = header + type_off
        end = position + type_len
        starts = self._starts
        named = self._by_name
        unpack = _RECORD.unpack_from
        wanted = (_STRUCT, _UNION, _ENUM, _ENUM64)
        while position < end:
            name, info, _size = unpack(data, position)
            kind = (info >> 24) & 0x1F
            if kind > _LAST_KIND:
                message = f"unknown type kind {kind}"
                raise ValueError(message)
            if kind in wanted and name:
                named.setdefault((kind, self._name(name)), len(starts))
            starts.append(position)
            fixed, each = _TAIL.get(kind, (0, 0))
            position += 12 + fixed + each * (info & 0xFFFF)

    def _name(self, offset: int) -> bytes:
        start = self._strings + offset
        return self._data[start : self._data.index(0, start)]

    def _resolve(self, type_id: int) -> tuple[int, int]:
        """Follow typedefs and qualifiers; return (kind, type id)."""
        for _ in range(_ALIASES_MAX):
            _name, info, target = _RECORD.unpack_from(self._data, self._starts[type_id])
            kind = (info >> 24) & 0x1F
            if kind not in _ALIASES:
                return kind, type_id
            type_id = target
        message = f"type {type_id} is an alias without end"
        raise ValueError(message)

    def _find(self, type_id: int, member: bytes) -> Member | None:
        start = self._starts[type_id]
        _name, info, _size = _RECORD.unpack_from(self._data, start)
        bitfields = info >> 31
        anonymous: list[Member] = []
        for index in range(info & 0xFFFF):
            name, member_type, bits = _MEMBER.unpack_from(self._data, start + 12 + 12 * index)
            offset = (bits & 0xFFFFFF if bitfields else bits) // 8
            if name == 0:
                anonymous.append(Member(offset, member_type))
            elif self._name(name) == member:
                return Member(offset, member_type)
        for part in anonymous:
            kind, resolved = self._resolve(part.type_id)
            if kind in (_STRUCT, _UNION):
                found = self._find(resolved, member)
                if found is not None:
                    return Member(part.offset + found.offset, found.type_id)
        return None

    def offset(self, structure: str, *paths: str) -> int | None:
        """Byte offset in ``structure`` of the first of ``paths`` that exists, or None.

        A path is dotted (``f_path.dentry``) and passes through embedded structures; members of
        anonymous structures and unions count as the outer one's own. Raises
        :class:`KernelUnsupported` when the types make no sense.
        """
        try:
            return self._offset(structure, *paths)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def _offset(self, structure: str, *paths: str) -> int | None:
        root = self._by_name.get((_STRUCT, structure.encode()))
        if root is None:
            return None
        for path in paths:
            total = 0
            kind, current = _STRUCT, root
            for part in path.split("."):
                found = self._find(current, part.encode()) if kind in (_STRUCT, _UNION) else None
                if found is None:
                    break
                total += found.offset
                kind, current = self._resolve(found.type_id)
            else:
                return total
        return None

    def size(self, structure: str) -> int | None:
        """Size of ``structure`` in bytes, or None when the kernel does not have it."""
        type_id = self._by_name.get((_STRUCT, structure.encode()))
        if type_id is None:
            return None
        return int(_RECORD.unpack_from(self._data, self._starts[type_id])[2])

    def enumerator(self, enum: str, name: str) -> int | None:
        """Value of ``name`` in ``enum``, or None; raises as :meth:`offset` does."""
        try:
            return self._enumerator(enum, name)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def _enumerator(self, enum: str, name: str) -> int | None:
        type_id = self._by_name.get((_ENUM, enum.encode()))
        if type_id is None:
            return None
        start = self._starts[type_id]
        _name, info, _size = _RECORD.unpack_from(self._data, start)
        for index in range(info & 0xFFFF):
            offset, value = _ENUMERATOR.unpack_from(self._data, start + 12 + 8 * index)
            if self._name(offset) == name.encode():
                return int(value)
        return None


_FIX = (
    "Castoff needs a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions have shipped "
    "since 2020 (5.8 or newer for the ring buffer)."
)

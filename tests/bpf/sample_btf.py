"""BTF made by hand, as Documentation/bpf/btf.rst of the kernel describes it."""

from __future__ import annotations

import struct

INT, PTR, STRUCT, UNION, ENUM, FWD, TYPEDEF, CONST, FUNC = 1, 2, 4, 5, 6, 7, 8, 10, 12


class Blob:
    """Types in order of their ids, from 1; :meth:`data` gives the bytes."""

    def __init__(self) -> None:
        self._types = b""
        self._strings = bytearray(1)
        self._count = 0

    def _name(self, text: str) -> int:
        if not text:
            return 0
        offset = len(self._strings)
        self._strings += text.encode() + b"\0"
        return offset

    def _add(self, name: str, kind: int, vlen: int, size: int, tail: bytes, flag: int = 0) -> int:
        info = flag << 31 | kind << 24 | vlen
        self._types += struct.pack("<III", self._name(name), info, size) + tail
        self._count += 1
        return self._count

    def integer(self, name: str = "int", size: int = 4) -> int:
        return self._add(name, INT, 0, size, struct.pack("<I", size * 8))

    def alias(self, kind: int, target: int, name: str = "") -> int:
        return self._add(name, kind, 0, target, b"")

    def composite(
        self,
        name: str,
        size: int,
        *members: tuple[str, int, int],
        kind: int = STRUCT,
        flag: int = 0,
    ) -> int:
        """Members are (name, type id, offset in bits)."""
        tail = b"".join(struct.pack("<III", self._name(m), t, bits) for m, t, bits in members)
        return self._add(name, kind, len(members), size, tail, flag)

    def enum(self, name: str, **values: int) -> int:
        tail = b"".join(struct.pack("<Ii", self._name(n), v) for n, v in values.items())
        return self._add(name, ENUM, len(values), 4, tail)

    def data(self, magic: int = 0xEB9F) -> bytes:
        types, strings = len(self._types), len(self._strings)
        header = struct.pack("<HBBIIIII", magic, 1, 0, 24, 0, types, types, strings)
        return header + self._types + bytes(self._strings)


def small() -> bytes:
    """A struct of each sort that the probes' fields pass through."""
    blob = Blob()
    number = blob.integer()
    inner = blob.composite("ns_common", 16, ("inum", number, 64), ("count", number, 96))
    typedef = blob.alias(TYPEDEF, inner, "ns_t")
    const = blob.alias(CONST, typedef)
    union = blob.composite("", 8, ("left", number, 0), ("right", number, 0), kind=UNION)
    nameless = blob.composite("", 16, ("deep", number, 32), ("", union, 64))
    pointer = blob.alias(PTR, inner)
    blob.composite(
        "outer",
        64,
        ("first", number, 0),
        ("ns", const, 64),
        ("", nameless, 192),
        ("p", pointer, 320),
    )
    blob.composite("packed", 8, ("bits", number, 3 << 24 | 35), flag=1)
    blob.enum("colour", RED=3, BLUE=-1)
    blob.alias(FWD, 0, "later")
    blob.alias(FUNC, number, "function")
    return blob.data()

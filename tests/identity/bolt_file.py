"""Writes bbolt databases as bbolt does: two meta pages, leaf and branch pages, inline buckets."""

from __future__ import annotations

import struct
from typing import TypeAlias

PAGE_SIZE = 4096
BRANCH, LEAF = 1, 2
Items: TypeAlias = "dict[bytes, bytes | Items]"


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & ((1 << 64) - 1)
    return value


def meta(number: int, root: int, pages: int, transaction: int) -> bytes:
    header = struct.pack("<QHHI", number, 4, 0, 0)
    body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE_SIZE, 0, root, 0, 2, pages, transaction)
    return (header + body + struct.pack("<Q", fnv(body))).ljust(PAGE_SIZE, b"\0")


class BoltFile:
    """A database of one transaction."""

    def __init__(self, items: Items, transaction: int = 7, per_leaf: int = 8) -> None:
        self._pages: list[bytes] = []
        self._per_leaf = per_leaf
        root = self._bucket(items)
        pages = len(self._pages) + 3
        self.data = b"".join(
            [
                meta(0, root, pages, transaction - transaction % 2),
                meta(1, root, pages, transaction - 1 + transaction % 2),
                bytes(PAGE_SIZE),
                *self._pages,
            ]
        )

    def _bucket(self, items: Items) -> int:
        """Write a bucket's pages; returns the number of its root."""
        entries = [self._entry(key, items[key]) for key in sorted(items)]
        step = self._per_leaf
        parts = [entries[at : at + step] for at in range(0, max(len(entries), 1), step)]
        level = [
            (part[0][1] if part else b"", self._add(LEAF, len(part), leaf(part))) for part in parts
        ]
        while len(level) > 1:
            groups = [level[at : at + step] for at in range(0, len(level), step)]
            level = [
                (group[0][0], self._add(BRANCH, len(group), branch(group))) for group in groups
            ]
        return level[0][1]

    def _entry(self, key: bytes, value: bytes | Items) -> tuple[int, bytes, bytes]:
        if isinstance(value, bytes):
            return 0, key, value
        if len(value) <= 2 and all(isinstance(below, bytes) for below in value.values()):
            entries = [self._entry(name, value[name]) for name in sorted(value)]
            inline = struct.pack("<QHHI", 0, LEAF, len(entries), 0) + leaf(entries)
            return 1, key, struct.pack("<QQ", 0, 0) + inline
        return 1, key, struct.pack("<QQ", self._bucket(value), 0)

    def _add(self, flags: int, elements: int, content: bytes) -> int:
        number = len(self._pages) + 3
        size = 16 + len(content)
        overflow = (size - 1) // PAGE_SIZE
        header = struct.pack("<QHHI", number, flags, elements, overflow)
        data = (header + content).ljust((overflow + 1) * PAGE_SIZE, b"\0")
        self._pages += [data[at : at + PAGE_SIZE] for at in range(0, len(data), PAGE_SIZE)]
        return number


def leaf(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    return _page([(struct.pack("<I", flags), key, value, True) for flags, key, value in entries])


def branch(children: list[tuple[bytes, int]]) -> bytes:
    return _page([(struct.pack("<Q", number), key, b"", False) for key, number in children])


def _page(entries: list[tuple[bytes, bytes, bytes, bool]]) -> bytes:
    at = len(entries) * 16
    elements, texts = b"", b""
    for index, (extra, key, value, is_leaf) in enumerate(entries):
        position = at + len(texts) - index * 16
        if is_leaf:
            elements += extra + struct.pack("<III", position, len(key), len(value))
        else:
            elements += struct.pack("<II", position, len(key)) + extra
        texts += key + value
    return elements + texts

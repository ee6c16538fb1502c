"""Read single values of a bbolt database that another process writes, without a lock or a copy.

Source: go.etcd.io/bbolt (page.go, meta.go, bucket.go). The file is a B+ tree of pages. A commit
writes pages that the tree of the last commit does not use, and then one of two meta pages, whose
transaction id is the higher one. So the tree of transaction T stays as it is until T+2 begins to
write, which is after the meta page of T+1 is there: what was read is right if, afterwards, T is
still the newest transaction. Otherwise it is read again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeVar

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")

ATTEMPTS_MAX = 5
"""How often a value is read anew because the database changed meanwhile."""

DEPTH_MAX = 16
"""Branch pages above a leaf; each level holds at least two keys."""

PAGE_MAX = 4 << 20
"""Longest page, with its overflow pages, that is read."""

ITEMS_MAX = 512
"""Items of one bucket that are listed."""

_PAGE_SIZES = frozenset({4096, 8192, 16384, 32768, 65536})
_MAGIC, _VERSION = 0xED0CDAED, 2
_META = struct.Struct("<IIIIQQQQQQ")
_PAGE = struct.Struct("<QHHI")
_BRANCH = struct.Struct("<IIQ")
_LEAF = struct.Struct("<IIII")
_BUCKET = struct.Struct("<QQ")
_IS_BRANCH, _IS_LEAF, _IS_BUCKET = 1, 2, 1
_FNV_BASIS, _FNV_PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


class Damaged(Exception):
    """The bytes are not a bbolt database, or were changed while they were read."""


@dataclass(frozen=True, slots=True)
class _Meta:
    page_size: int
    root: int
    pages: int
    transaction: int


@dataclass(frozen=True, slots=True)
class _Page:
    data: bytes
    flags: int
    count: int


class Bucket:
    """One bucket of a transaction: keys with values, and further buckets."""

    def __init__(self, tree: BoltTree, root: int, inline: bytes | None) -> None:
        self._tree = tree
        self._root = root
        self._inline = inline

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None when it is absent or a bucket."""
        found = self._find(key)
        return None if found is None or found[0] & _IS_BUCKET else found[1]

    def bucket(self, key: bytes) -> Bucket | None:
        """Return the bucket below a key, None when it is absent or a value."""
        found = self._find(key)
        return self._tree.bucket(found[1]) if found is not None and found[0] & _IS_BUCKET else None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values, without buckets, in order; :data:`ITEMS_MAX` at most."""
        left = ITEMS_MAX
        waiting = [(self._page(self._root), 0)]
        while waiting:
            page, depth = waiting.pop()
            if page.flags & _IS_LEAF:
                for index in range(page.count):
                    if not left:
                        return
                    left -= 1
                    flags, key, value = _leaf(page, index)
                    if not flags & _IS_BUCKET:
                        yield key, value
            elif depth < DEPTH_MAX:
                below = [_branch(page, index)[1] for index in range(min(page.count, left))]
                waiting += [(self._page(number), depth + 1) for number in reversed(below)]
            else:
                raise Damaged

    def buckets(self) -> Iterator[bytes]:
        """Yield the names of buckets in the first leaf pages; :data:`ITEMS_MAX` at most."""
        page = self._page(self._root)
        for index in range(min(page.count, ITEMS_MAX)) if page.flags & _IS_LEAF else ():
            flags, key, _ = _leaf(page, index)
            if flags & _IS_BUCKET:
                yield key

    def _find(self, key: bytes) -> tuple[int, bytes] | None:
        page = self._page(self._root)
        for _ in range(DEPTH_MAX):
            if page.flags & _IS_LEAF:
                index = _last_not_after(page, key, leaf=True)
                if index is None:
                    return None
                flags, found, value = _leaf(page, index)
                return (flags, value) if found == key else None
            index = _last_not_after(page, key, leaf=False)
            page = self._page(_branch(page, index or 0)[1])
        raise Damaged

    def _page(self, number: int) -> _Page:
        return _page_of(self._inline) if self._inline is not None else self._tree.page(number)


class BoltTree:
    """The tree of one transaction."""

    def __init__(self, read: Callable[[int, int], bytes], meta: _Meta) -> None:
        self._read = read
        self._meta = meta
        self.transaction = meta.transaction

    @property
    def root(self) -> Bucket:
        """The bucket of all others."""
        return Bucket(self, self._meta.root, None)

    def bucket(self, value: bytes) -> Bucket:
        """Return the bucket that a value describes: its root page, or its only page inline."""
        if len(value) < _BUCKET.size:
            raise Damaged
        root, _ = _BUCKET.unpack_from(value)
        return Bucket(self, root, value[_BUCKET.size :] if root == 0 else None)

    def page(self, number: int) -> _Page:
        """Read a page with its overflow."""
        size = self._meta.page_size
        if not 0 < number < self._meta.pages:
            raise Damaged
        data = self._read(size, number * size)
        if len(data) < _PAGE.size:
            raise Damaged
        own, _, _, overflow = _PAGE.unpack_from(data)
        if own != number or (overflow + 1) * size > PAGE_MAX:
            raise Damaged
        if overflow:
            data += self._read(overflow * size, (number + 1) * size)
        return _page_of(data)


def read(pread: Callable[[int, int], bytes], take: Callable[[Bucket], _T]) -> _T:
    """Return what ``take`` makes of the newest transaction's root bucket.

    ``pread`` takes a length and an offset, as os.pread does. Raises :class:`Damaged`.
    """
    for _ in range(ATTEMPTS_MAX):
        meta = _newest(pread)
        try:
            taken = take(BoltTree(pread, meta).root)
        except Damaged:
            if _newest(pread).transaction == meta.transaction:
                raise
            continue
        if _newest(pread).transaction == meta.transaction:
            return taken
    raise Damaged


def _newest(pread: Callable[[int, int], bytes]) -> _Meta:
    first = pread(_PAGE.size + _META.size, 0)
    found = [meta] if (meta := _meta(first)) is not None else []
    sizes = [found[0].page_size] if found else sorted(_PAGE_SIZES)
    for size in sizes:
        second = _meta(pread(_PAGE.size + _META.size, size))
        if second is not None:
            found.append(second)
            break
    if not found:
        raise Damaged
    return max(found, key=lambda meta: meta.transaction)


def _meta(data: bytes) -> _Meta | None:
    if len(data) < _PAGE.size + _META.size:
        return None
    magic, version, size, _, root, _, _, pages, transaction, checksum = _META.unpack_from(
        data, _PAGE.size
    )
    if magic != _MAGIC or version != _VERSION or size not in _PAGE_SIZES:
        return None
    if _fnv(data[_PAGE.size : _PAGE.size + _META.size - 8]) != checksum:
        return None
    return _Meta(size, root, pages, transaction)


def _fnv(data: bytes) -> int:
    value = _FNV_BASIS
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return value


def _page_of(data: bytes) -> _Page:
    if len(data) < _PAGE.size:
        raise Damaged
    _, flags, count, _ = _PAGE.unpack_from(data)
    if not flags & (_IS_BRANCH | _IS_LEAF) or _PAGE.size + count * 16 > len(data):
        raise Damaged
    return _Page(data, flags, count)


def _leaf(page: _Page, index: int) -> tuple[int, bytes, bytes]:
    at = _PAGE.size + index * _LEAF.size
    flags, position, key_size, value_size = _LEAF.unpack_from(page.data, at)
    start = at + position
    end = start + key_size + value_size
    if end > len(page.data):
        raise Damaged
    return flags, page.data[start : start + key_size], page.data[start + key_size : end]


def _branch(page: _Page, index: int) -> tuple[bytes, int]:
    if index >= page.count:
        raise Damaged
    at = _PAGE.size + index * _BRANCH.size
    position, key_size, number = _BRANCH.unpack_from(page.data, at)
    start = at + position
    if start + key_size > len(page.data):
        raise Damaged
    return page.data[start : start + key_size], number


def _last_not_after(page: _Page, key: bytes, *, leaf: bool) -> int | None:
    """Return the last entry whose key is not after ``key``, by binary search."""
    low, high = 0, page.count
    while low < high:
        middle = (low + high) // 2
        found = _leaf(page, middle)[1] if leaf else _branch(page, middle)[0]
        if found <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low else None

"""Rows out of a damaged SQLite file, page by page, without its trees and indices.

Format: https://sqlite.org/fileformat2.html. Rows of tables stand in leaf pages; a leaf can be read
by itself, whatever became of the pages that lead to it. The write-ahead log holds newer versions of
pages: of each the last one that a commit made count. Every number comes from a file that may hold
anything: each is checked against the page that it points into.
"""

from __future__ import annotations

import os
import struct
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_BYTES = 4096
"""SQLite's page size since 3.12, and that of every log: a damaged header need not be asked."""

PAYLOAD_MAX = 4 << 20
"""Bytes of one row; a body has at most a MiB before it is packed."""

WAL_BYTES_MAX = 256 << 20
"""Bytes of a write-ahead log that are looked at. One is cut at 16 MiB after each checkpoint."""

COLUMNS_MAX = 32

_LEAF = 0x0D
_INNERS = frozenset({0x02, 0x05})
_OTHERS = _INNERS | {0x0A}
"""Kinds of pages without rows of a table: inner pages of indices and tables, leaves of indices."""
_INNER_HEADER = 12
_FILE_HEADER = 100
_SIZE = 28
"""Offset in the file's header of the number of pages."""
_FREE_LIST = 32
"""Offset in the file's header of the first page of the list of free pages."""
_LEAF_HEADER = 8
_MIN_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
_MAX_LOCAL = PAGE_BYTES - 35
_VARINT_BYTES = 9
_CONTINUES = 0x80
"""The bit of a varint's byte that says that more follow (sqlite.org/fileformat2.html, 1.6)."""

_WAL_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_WAL_MAGIC = 0x377F0682
_WORD = 0xFFFFFFFF
_FIRST_TEXT = 12
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FLOAT, _ZERO, _ONE = 7, 8, 9

Value = int | float | str | bytes | None


class ScannedRow(NamedTuple):
    """A row of some table: its rowid, and its columns without the rowid."""

    rowid: int
    values: tuple[Value, ...]


@dataclass(slots=True)
class ScanCounts:
    """What a scan met."""

    pages: int = 0
    records: int = 0
    damaged: int = 0
    """Cells of leaf pages that are not rows."""
    odd: set[int] = field(default_factory=set)
    """Pages that are of no kind, or that do not add up: rows may be missing from them."""

    @property
    def is_whole(self) -> bool:
        """Whether no row can have been missed."""
        return not self.damaged and not self.odd


class PageFile:
    """The pages of a database and of the write-ahead log beside it."""

    def __init__(self, path: Path) -> None:
        """Open both. Raises OSError."""
        self._main = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._wal = -1
        self._newer: dict[int, int] = {}
        self._chained: set[int] = set()
        """Pages that rows go on in."""
        try:
            self.pages = (os.fstat(self._main).st_size + PAGE_BYTES - 1) // PAGE_BYTES
            wal = path.with_name(path.name + "-wal")
            if wal.is_file():
                self._wal = os.open(wal, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                self._newer = _committed(self._wal)
                self.pages = max((self.pages, *self._newer))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._main, self._wal):
            if descriptor >= 0:
                os.close(descriptor)
        self._main = self._wal = -1

    def page(self, number: int) -> bytes:
        """Return a page in its newest version, 1 for the first; short or empty beyond the end."""
        place = self._newer.get(number)
        if place is not None:
            return os.pread(self._wal, PAGE_BYTES, place)
        return os.pread(self._main, PAGE_BYTES, (number - 1) * PAGE_BYTES)

    def records(self, counts: ScanCounts) -> Iterator[ScannedRow]:
        """Yield the rows of all leaves, the last page first: it holds the newest events."""
        for number in range(self.pages, 0, -1):
            yield from self.leaf(number, counts)
        counts.odd -= self._chained | self._free()
        said = int.from_bytes(self.page(1)[_SIZE : _SIZE + 4], "big")
        if said != self.pages or not self.pages:
            # Cut, or the number itself is damaged.
            counts.odd.add(self.pages + 1)

    def leaf(self, number: int, counts: ScanCounts) -> Iterator[ScannedRow]:
        """Yield the rows of one page, none if it is not a leaf of a table."""
        page = self.page(number)
        if len(page) < PAGE_BYTES:
            counts.odd.add(number)
            return
        counts.pages += 1
        start = _FILE_HEADER if number == 1 else 0
        if page[start] == _LEAF:
            yield from self._leaf(number, page, start, counts)
        elif not self._is_sound(page, start):
            counts.odd.add(number)

    def _is_sound(self, page: bytes, start: int) -> bool:
        """Return whether a page may be one without rows: of a tree, an index, or free."""
        if page[start] not in _OTHERS:
            return not any(page)
        header = start + (_INNER_HEADER if page[start] in _INNERS else _LEAF_HEADER)
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        if header + 2 * cells > PAGE_BYTES:
            return False
        for place in range(header, header + 2 * cells, 2):
            cell = int.from_bytes(page[place : place + 2], "big")
            if not header <= cell < PAGE_BYTES - 3:
                return False
            if page[start] in _INNERS:
                child = int.from_bytes(page[cell : cell + 4], "big")
                if not 0 < child <= self.pages:
                    return False
        return True

    def _free(self) -> set[int]:
        """Return the pages of the list of free ones, whose content means nothing."""
        found: set[int] = set()
        trunk = int.from_bytes(self.page(1)[_FREE_LIST : _FREE_LIST + 4], "big")
        while 0 < trunk <= self.pages and trunk not in found:
            found.add(trunk)
            page = self.page(trunk)
            count = min(int.from_bytes(page[4:8], "big"), PAGE_BYTES // 4 - 2)
            found.update(
                int.from_bytes(page[place : place + 4], "big")
                for place in range(8, 8 + 4 * count, 4)
            )
            trunk = int.from_bytes(page[:4], "big")
        return found

    def _leaf(
        self, number: int, page: bytes, start: int, counts: ScanCounts
    ) -> Iterator[ScannedRow]:
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        pointers = start + _LEAF_HEADER
        if pointers + 2 * cells > PAGE_BYTES:
            counts.odd.add(number)
            return
        used = 0
        found: list[ScannedRow] = []
        for place in range(pointers, pointers + 2 * cells, 2):
            try:
                cell = int.from_bytes(page[place : place + 2], "big")
                record, end = self._record(page, cell)
            except (ValueError, IndexError, OverflowError):
                counts.damaged += 1
                continue
            counts.records += 1
            used += end - cell
            found.append(record)
        if used != _content_bytes(page, start):
            counts.odd.add(number)
        yield from _in_order(found)

    def _record(self, page: bytes, place: int) -> tuple[ScannedRow, int]:
        """Return the row of a cell and the place behind the cell."""
        size, place = _varint(page, place)
        rowid, place = _varint(page, place)
        if rowid >= 1 << 63:
            rowid -= 1 << 64
        if not 0 < size <= PAYLOAD_MAX:
            raise ValueError(size)
        local = size
        if size > _MAX_LOCAL:
            local = _MIN_LOCAL + (size - _MIN_LOCAL) % (PAGE_BYTES - 4)
            if local > _MAX_LOCAL:
                local = _MIN_LOCAL
        end = place + local
        if end > PAGE_BYTES:
            raise ValueError(end)
        payload = page[place:end]
        if local < size:
            payload += self._overflow(int.from_bytes(page[end : end + 4], "big"), size - local)
            end += 4
        return ScannedRow(rowid, _columns(payload)), end

    def _overflow(self, number: int, missing: int) -> bytes:
        parts: list[bytes] = []
        while missing > 0:
            page = self.page(number) if 0 < number <= self.pages else b""
            if len(page) < PAGE_BYTES:
                raise ValueError(number)
            self._chained.add(number)
            parts.append(page[4 : 4 + missing])
            missing -= len(parts[-1])
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)


def _in_order(records: list[ScannedRow]) -> list[ScannedRow]:
    """Return a leaf's rows with a rowid mended that does not fit between its neighbours'.

    Rowids rise within a leaf; the log's are nearly always one apart.
    """
    rowids = [record.rowid for record in records]
    for place, rowid in enumerate(rowids):
        low = rowids[place - 1] if place else None
        high = rowids[place + 1] if place + 1 < len(rowids) else None
        if (low is None or low < rowid) and (high is None or rowid < high):
            continue
        if low is not None and (high is None or high == low + 2):
            rowids[place] = low + 1
        elif (
            low is None
            and high is not None
            and place + 2 < len(rowids)
            and (high < rowids[place + 2])
        ):
            rowids[place] = high - 1
    return [
        record if record.rowid == rowid else ScannedRow(rowid, record.values)
        for record, rowid in zip(records, rowids, strict=True)
    ]


def _content_bytes(page: bytes, start: int) -> int:
    """Return how many bytes the cells of a page take, by its header and its list of free blocks."""
    block = int.from_bytes(page[start + 1 : start + 3], "big")
    content = int.from_bytes(page[start + 5 : start + 7], "big") or PAGE_BYTES * 16
    free = page[start + 7]
    for _ in range(PAGE_BYTES // 4):
        if not block or block > PAGE_BYTES - 4:
            break
        free += int.from_bytes(page[block + 2 : block + 4], "big")
        block = int.from_bytes(page[block : block + 2], "big")
    return PAGE_BYTES - content - free


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES):
        byte = data[place + index]
        if index == _VARINT_BYTES - 1:
            return value << 8 | byte, place + _VARINT_BYTES
        value = value << 7 | byte & ~_CONTINUES
        if byte < _CONTINUES:
            return value, place + index + 1
    raise ValueError(place)


def _columns(payload: bytes) -> tuple[Value, ...]:
    """Decode a record: a header of serial types, then the values."""
    header, place = _varint(payload, 0)
    if not place <= header <= len(payload):
        raise ValueError(header)
    kinds: list[int] = []
    while place < header:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    if place != header or len(kinds) > COLUMNS_MAX:
        raise ValueError(place)
    values: list[Value] = []
    for kind in kinds:
        value, place = _value(payload, kind, place)
        values.append(value)
    if place != len(payload):
        raise ValueError(place)
    return tuple(values)


def _value(payload: bytes, kind: int, place: int) -> tuple[Value, int]:
    if kind == 0:
        return None, place
    if kind in _INTEGERS:
        size = _INTEGERS[kind]
        raw = payload[place : place + size]
        value: Value = int.from_bytes(raw, "big", signed=True)
    elif kind == _FLOAT:
        size, raw = 8, payload[place : place + 8]
        value = struct.unpack(">d", raw)[0] if len(raw) == size else None
    elif kind in (_ZERO, _ONE):
        return kind - _ZERO, place
    elif kind >= _FIRST_TEXT:
        size = (kind - _FIRST_TEXT) // 2
        raw = payload[place : place + size]
        value = raw.decode("utf-8") if kind % 2 else raw
    else:
        raise ValueError(kind)
    if len(raw) != size:
        raise ValueError(place)
    return value, place + size


def _committed(wal: int) -> dict[int, int]:
    """Return where in a write-ahead log the newest committed version of each page stands.

    A frame counts if its salts are the header's and the checksum goes on from the frame before; the
    first that does not ends the log (fileformat2.html, "WAL File Format").
    """
    header = os.pread(wal, _WAL_HEADER.size, 0)
    if len(header) < _WAL_HEADER.size:
        return {}
    magic, _, page_size, _, salt_one, salt_two, *sums = _WAL_HEADER.unpack(header)
    if magic & ~1 != _WAL_MAGIC or page_size != PAGE_BYTES:
        return {}
    order = ">" if magic & 1 else "<"
    state = _checksum(header[:24], (0, 0), order)
    if list(state) != sums:
        return {}
    found: dict[int, int] = {}
    pending: dict[int, int] = {}
    place = _WAL_HEADER.size
    while place < WAL_BYTES_MAX:
        frame = os.pread(wal, _FRAME_HEADER.size + PAGE_BYTES, place)
        if len(frame) < _FRAME_HEADER.size + PAGE_BYTES:
            break
        number, committed, one, two, *sums = _FRAME_HEADER.unpack_from(frame)
        state = _checksum(frame[:8] + frame[_FRAME_HEADER.size :], state, order)
        if (one, two) != (salt_one, salt_two) or list(state) != sums:
            break
        pending[number] = place + _FRAME_HEADER.size
        if committed:
            found |= pending
            pending.clear()
        place += _FRAME_HEADER.size + PAGE_BYTES
    return found


def _checksum(data: bytes, state: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = state
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for index in range(0, len(words), 2):
        one = (one + words[index] + two) & _WORD
        two = (two + words[index + 1] + one) & _WORD
    return one, two

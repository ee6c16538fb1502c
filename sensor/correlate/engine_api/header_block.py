"""HPACK (RFC 7541) on a connection whose beginning may be unknown.

The dynamic table of a connection is known from the moment on at which it is watched. New entries
go to its front, so the entries seen have the right index whatever older ones stand behind them. A
reference to an older entry gives a field of unknown text. Entries are evicted from the end, where
the unknown ones are: this table may keep an entry longer than the peers do, and no encoder refers
to an entry that its own table has evicted.

A block that was cut is read up to the cut; what it added after that is unknown, so the table is
forgotten. The Huffman code and the tables are those of the hpack library; its decoder gives up a
whole block for one unknown index, which is why the fields are walked here.
"""

from __future__ import annotations

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from sensor.dataclass import dataclass

BLOCK_MAX = 4096
"""Bytes of one header block that are read; the rest counts as cut."""

FIELDS_MAX = 128
"""Fields of one block that are read. References of one byte make bombs of more."""

VALUE_MAX = 2048
"""Longest name or value that is read; a field with a longer one is skipped."""

TABLE_MAX = 65_536
"""Largest dynamic table that a peer may use: RFC 7540 6.5.2 gives 4096 as the initial value."""

_INTEGER_BYTES = 5
_KIND, _TABLE_SIZE = 0b1110_0000, 0b0010_0000
"""The bits that a change of the table's size begins with (RFC 7541, 6.3)."""


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A header field; None is text that stands in a part of the table that was not seen."""

    name: str | None
    value: str | None


class _Cut(Exception):
    """The block ends, or makes no sense, here."""


class HeaderBlocks:
    """The decoder of one direction of a connection."""

    def __init__(self) -> None:
        self._table = HeaderTable()

    def forget(self) -> None:
        """Forget the dynamic table, because blocks were missed."""
        self._table = HeaderTable()

    def decode(self, block: bytes, *, cut: bool) -> list[HeaderField]:
        """Return the fields of a block in order, as far as they can be read."""
        fields: list[HeaderField] = []
        position = 0
        block, cut = block[:BLOCK_MAX], cut or len(block) > BLOCK_MAX
        try:
            while position < len(block) and len(fields) < FIELDS_MAX:
                field, position = self._field(block, position)
                if field is not None:
                    fields.append(field)
        except (_Cut, HPACKError):
            cut = True
        if cut or position < len(block):
            self.forget()
        return fields

    def _field(self, block: bytes, position: int) -> tuple[HeaderField | None, int]:
        first = block[position]
        if first & 0x80:
            index, position = _integer(block, position, 7)
            if index == 0:
                raise _Cut
            name, value = self._entry(index)
            return HeaderField(_decoded(name), _decoded(value)), position
        if first & _KIND == _TABLE_SIZE:
            size, position = _integer(block, position, 5)
            if size > TABLE_MAX:
                raise _Cut
            self._table.maxsize = size
            return None, position
        indexed = bool(first & 0x40)
        index, position = _integer(block, position, 6 if indexed else 4)
        if index:
            name = self._entry(index)[0]
        else:
            name, position = _string(block, position)
        value, position = _string(block, position)
        if indexed:
            self._table.add(name or b"", value or b"")
        return HeaderField(_decoded(name), _decoded(value)), position

    def _entry(self, index: int) -> tuple[bytes | None, bytes | None]:
        static = HeaderTable.STATIC_TABLE_LENGTH
        if index > static + len(self._table.dynamic_entries):
            return None, None
        name, value = self._table.get_by_index(index)
        return name or None, value if index <= static else value or None


def _decoded(text: bytes | None) -> str | None:
    return None if text is None else text.decode("utf-8", "surrogateescape")


def _integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """Read an integer with a prefix of that many bits (RFC 7541 5.1)."""
    limit = (1 << bits) - 1
    value = block[position] & limit
    position += 1
    if value < limit:
        return value, position
    for index, byte in enumerate(block[position : position + _INTEGER_BYTES]):
        value += (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, position + index + 1
    raise _Cut


def _string(block: bytes, position: int) -> tuple[bytes | None, int]:
    """Read a string (RFC 7541 5.2); None for one that is too long to be read."""
    if position >= len(block):
        raise _Cut
    huffman = block[position] & 0x80
    length, position = _integer(block, position, 7)
    end = position + length
    if end > len(block):
        raise _Cut
    if length > VALUE_MAX:
        return None, end
    text = block[position:end]
    return bytes(decode_huffman(text)) if huffman else text, end

"""HPACK's Huffman code (RFC 7541, appendix B), decoded with a table of 256 entries.

The hpack library decodes four bits at a time: its table of 4,096 tuples takes 0.6 MiB of a process,
and a few short texts a start are decoded with it. The code is canonical: of equal length, codes are
consecutive, and a longer code is larger. So for each length it is enough to know where its codes
end, and which symbol the first of them stands for. Codes of up to a byte are looked up by it. The
codes themselves are the library's.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from types import ModuleType
from typing import NamedTuple

LIBRARY = "hpack.huffman_table"
"""The library's module, whose place :func:`module` takes."""

EOS = 256
"""The symbol that no text may contain (RFC 7541, 5.2)."""

_BYTE = 8
_WINDOW = 40
"""More bits than ever wait: a code has 30 at most, and a byte comes when they are too few."""


class _Code(NamedTuple):
    short: tuple[tuple[int, int] | None, ...]
    """Symbol and bits of the code that a byte begins with; None for codes of more than a byte."""
    ends: tuple[int, ...]
    """Of each greater length, the shortest first: where its codes end, as the first bits of
    ``_WINDOW``."""
    long: tuple[tuple[int, int], ...]
    """Likewise: its bits, and what to take from a code to have the place of its symbol."""
    symbols: tuple[int, ...]
    """In the order of their codes."""


def decode_huffman(text: bytes | None) -> bytes:
    """Return the text behind its code, as the function of that name in the library does.

    :raises hpack.exceptions.HPACKDecodingError: the code is invalid, or ends within a symbol.
    """
    code = _code()
    found = bytearray()
    # The bits that are not decoded yet, and how many they are.
    waiting = held = 0
    for byte in text or b"":
        waiting, held = waiting << _BYTE | byte, held + _BYTE
        while held >= _BYTE:
            begun = code.short[waiting >> (held - _BYTE)] or _long(code, waiting, held)
            if begun is None:
                break
            symbol, bits = begun
            held -= bits
            waiting &= (1 << held) - 1
            found.append(symbol)
    if held >= _BYTE:
        raise _error("Incomplete Huffman string")
    _end(code, waiting, held, found)
    return bytes(found)


def _long(code: _Code, waiting: int, held: int) -> tuple[int, int] | None:
    """Return symbol and bits of a code of more than a byte; None while there are too few bits."""
    at = bisect_right(code.ends, waiting << (_WINDOW - held))
    bits, base = code.long[at]
    if bits > held:
        return None
    symbol = code.symbols[(waiting >> (held - bits)) - base]
    if symbol == EOS:
        raise _error("Invalid Huffman String")
    return symbol, bits


def _end(code: _Code, waiting: int, held: int, found: bytearray) -> None:
    """Take the last bits, less than a byte: a symbol may be in them, and the rest is ones."""
    ones = (1 << (_BYTE - held)) - 1
    last = code.short[waiting << (_BYTE - held) | ones]
    if last is not None and last[1] <= held:
        found.append(last[0])
        held -= last[1]
        waiting &= (1 << held) - 1
    if waiting != (1 << held) - 1:
        raise _error("Incomplete Huffman string")


@cache
def _code() -> _Code:
    # On first use: without the library nothing is decoded.
    from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

    codes = sorted(zip(REQUEST_CODES_LENGTH, REQUEST_CODES, range(EOS + 1), strict=True))
    short: list[tuple[int, int] | None] = [None] * (1 << _BYTE)
    ends: dict[int, int] = {}
    long: dict[int, tuple[int, int]] = {}
    for place, (bits, code, symbol) in enumerate(codes):
        if bits > _BYTE:
            ends[bits], long[bits] = (code + 1) << (_WINDOW - bits), (bits, code - place)
            continue
        first, step = code << (_BYTE - bits), 1 << (_BYTE - bits)
        short[first : first + step] = [(symbol, bits)] * step
    symbols = tuple([symbol for _, _, symbol in codes])
    # Nothing lies beyond the last of them, 30 ones.
    return _Code(tuple(short), tuple(ends.values())[:-1], tuple(long.values()), symbols)


def _error(message: str) -> Exception:
    from hpack.exceptions import HPACKDecodingError

    error: Exception = HPACKDecodingError(message)
    return error


def module() -> ModuleType:
    """Return a module for the library's place in ``sys.modules``."""
    stand_in = ModuleType(LIBRARY, __doc__)
    stand_in.__dict__["decode_huffman"] = decode_huffman
    return stand_in

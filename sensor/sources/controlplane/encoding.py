"""Bytes of a file as UTF-8, piece by piece: gzip, byte order marks, UTF-16.

Nothing is ever held whole. A gzip stream that is cut short or damaged gives what came before the
damage, and :class:`EncodingBroken` after it.
"""

from __future__ import annotations

import codecs
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 1 << 16
"""Bytes of one piece, read and decompressed."""
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_MARKS = (
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARK_BYTES = max(len(mark) for mark, _ in _MARKS)


class EncodingBroken(ValueError):
    """The rest of the input cannot be read."""


def utf8(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the input as UTF-8. Raises :class:`EncodingBroken` where it cannot go on."""
    yield from _without_mark(_decompressed(_from_the_start(pieces)))


def _from_the_start(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces, the first with the bytes of any mark where the input has them."""
    head = b""
    begun = False
    for piece in pieces:
        if begun:
            yield piece
            continue
        head += piece
        if len(head) >= _MARK_BYTES:
            begun = True
            yield head
    if not begun and head:
        yield head


def _decompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")
    if not first.startswith(_GZIP):
        if first:
            yield first
        yield from pieces
        return
    yield from _gunzip(first, pieces)


def gunzipped(data: bytes, limit: int) -> bytes:
    """Return what all members of a gzip text hold. Raises EncodingBroken beyond ``limit``."""
    made = bytearray()
    for piece in _gunzip(data, iter(())):
        made += piece
        if len(made) > limit:
            raise EncodingBroken(f"more than {limit} bytes")
    return bytes(made)


def _gunzip(waiting: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what the members of a gzip file hold, one after the other (RFC 1952, 2.2)."""
    member = zlib.decompressobj(_GZIP_WINDOW)
    while True:
        if not waiting:
            waiting = next(pieces, b"")
            if not waiting:
                break
        if member.eof:
            # Padding after the last member is not data (RFC 1952 has none; tape and tar have).
            waiting = waiting.lstrip(b"\0")
            if not waiting:
                continue
            member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            made = member.decompress(waiting, PIECE)
        except zlib.error as error:
            raise EncodingBroken(f"gzip data damaged: {error}") from None
        waiting = member.unconsumed_tail or member.unused_data
        if made:
            yield made
    if not member.eof:
        raise EncodingBroken("gzip data cut short")


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")
    while len(first) < _MARK_BYTES and (more := next(pieces, b"")):
        first += more
    for mark, name in _MARKS:
        if first.startswith(mark):
            first = first[len(mark) :]
            if name is None:
                break
            yield from _transcoded(first, pieces, name)
            return
    if first:
        yield first
    yield from pieces


def _transcoded(first: bytes, pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    decode = codecs.getincrementaldecoder(name)("replace").decode
    yield decode(first).encode("utf-8", "replace")
    for piece in pieces:
        yield decode(piece).encode("utf-8", "replace")
    if rest := decode(b"", final=True):
        yield rest.encode("utf-8", "replace")

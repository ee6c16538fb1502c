"""A batch as one message: PackedForward, or CompressedPackedForward.

``[tag, bin, {"size": events, "chunk": id, "compressed": "gzip"}]``, where ``bin`` is a stream of
``[EventTime, record]``, deflated or not. EventTime is ext type 0: seconds and nanoseconds, 32 bits
each, big-endian. Source: the specification's sections Carrier modes and EventTime Ext Format.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.forward.wire import packed, packer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.delivery import Batch, Document, Record
    from sensor.outputs.forward.wire import Pack

GZIP = 16 + zlib.MAX_WBITS
"""What makes zlib write gzip's header, without name and time: a batch has the same bytes twice."""

MEMORY_LEVEL = 9
"""Longer blocks, fewer Huffman tables: 3 % smaller than the default."""

NS_PER_SECOND = 1_000_000_000
_SECONDS_MAX = (1 << 32) - 1
_ENTRY = b"\x92"
"""An array of two."""
_FIXEXT_8 = 0xD7
_EVENT_TIME = struct.Struct(">BbII")


class Unencodable(Exception):
    """A batch with an event that cannot be sent; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How chunks are made. ``level`` is zlib's, 0 for no compression."""

    tag: str
    level: int
    document: Callable[[Record], Document]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One message. ``id`` is what the server acknowledges; ``size`` counts events."""

    id: bytes
    data: bytes
    size: int


def entry(record: Record, encoding: Encoding, pack: Pack) -> bytes:
    """Return one ``[EventTime, record]``. Raises Unencodable."""
    try:
        return _ENTRY + event_time(record.wall) + pack(encoding.document(record))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Unencodable(f"no msgpack can be made of it: {error}") from error


def sealed(id_: bytes, entries: list[bytes], encoding: Encoding) -> Chunk:
    """Make the chunk of these entries; with ``id_`` as :func:`id_of` gives it.

    Most of its time is zlib's, outside of the interpreter's lock.
    """
    events = b"".join(entries)
    options: dict[str, object] = {"size": len(entries), "chunk": id_.decode("ascii")}
    if encoding.level:
        stream = zlib.compressobj(encoding.level, zlib.DEFLATED, GZIP, MEMORY_LEVEL)
        events = stream.compress(events) + stream.flush()
        options["compressed"] = "gzip"
    return Chunk(id_, packed([encoding.tag, events, options]), len(entries))


def encode(batch: Batch, encoding: Encoding) -> Chunk:
    """Make the chunk of a batch in one go. Raises Unencodable."""
    pack = packer()
    entries = [entry(record, encoding, pack) for record in batch.records]
    return sealed(id_of(batch), entries, encoding)


def id_of(batch: Batch) -> bytes:
    """Return the id of a batch's chunk: base64, 24 characters."""
    return base64.b64encode(batch.id)


def event_time(wall: int) -> bytes:
    """Return ns since the epoch as an EventTime; years before 1970 and after 2105 are cut there."""
    seconds, nanoseconds = divmod(wall, NS_PER_SECOND)
    if not 0 <= seconds <= _SECONDS_MAX:
        seconds, nanoseconds = (0, 0) if seconds < 0 else (_SECONDS_MAX, 0)
    return _EVENT_TIME.pack(_FIXEXT_8, 0, seconds, nanoseconds)

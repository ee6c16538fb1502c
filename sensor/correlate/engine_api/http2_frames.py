"""HTTP/2's frames (RFC 9113 section 6) of one direction, with header blocks put together."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING

from sensor.correlate.engine_api.calls import TARGETS_MAX
from sensor.correlate.engine_api.header_block import BLOCK_MAX, HeaderBlocks

if TYPE_CHECKING:
    from sensor.correlate.engine_api.header_block import HeaderField

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE = 9

_FRAME_MAX = 1 << 14
"""Longest frame unless the peer allows more (RFC 9113 4.2)."""
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_PADDING_MAX = 1 + 5 + 255
"""Bytes of a HEADERS frame beside its block."""
_FULL_ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class FrameType(IntEnum):
    """Frame types of RFC 9113 section 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


_LENGTHS = {
    FrameType.PRIORITY: 5,
    FrameType.RST_STREAM: 4,
    FrameType.PING: 8,
    FrameType.WINDOW_UPDATE: 4,
}
_UPDATE, _PING = HEADER_SIZE + 4, HEADER_SIZE + 8
_CONTROL_SIZES = frozenset({_UPDATE, _PING, 2 * _UPDATE, _UPDATE + _PING, 2 * _PING})
"""Bytes of a few frames WINDOW_UPDATE and PING together."""
_FLAGS = {
    FrameType.DATA: _END_STREAM | _PADDED,
    FrameType.HEADERS: _END_STREAM | _END_HEADERS | _PADDED | _PRIORITY,
    FrameType.CONTINUATION: _END_HEADERS,
    FrameType.SETTINGS: 1,
    FrameType.PING: 1,
}
_ON_CONNECTION = frozenset({FrameType.SETTINGS, FrameType.PING, FrameType.GOAWAY})
_ON_STREAM = frozenset(
    {FrameType.DATA, FrameType.HEADERS, FrameType.PRIORITY, FrameType.RST_STREAM}
    | {FrameType.CONTINUATION, FrameType.PUSH_PROMISE}
)


def ids_in(data: bytes) -> tuple[str, ...]:
    """Return the ids of 64 hex digits in bytes of unknown meaning."""
    found = dict.fromkeys(_FULL_ID.findall(data))
    return tuple(one.decode("ascii") for one in list(found)[:TARGETS_MAX])


def is_plausible(header: bytes) -> bool:
    """Whether nine bytes look like the header of a frame that a Go peer sends."""
    length, kind, flags = int.from_bytes(header[:3]), header[3], header[4]
    stream = int.from_bytes(header[5:9])
    if stream >> 31 or length > _FRAME_MAX or kind > FrameType.CONTINUATION:
        return False
    if kind in _ON_CONNECTION and stream:
        return False
    if kind in _ON_STREAM and not stream & 1:
        return False
    if kind == FrameType.SETTINGS and length % 6:
        return False
    wanted = _LENGTHS.get(FrameType(kind))
    return (wanted is None or wanted == length) and not flags & ~_FLAGS.get(FrameType(kind), 0)


class Blocks(ABC):
    """Frames of one direction, with header blocks put together across CONTINUATION."""

    def __init__(self) -> None:
        self._hpack = HeaderBlocks()
        self._kind = 0
        self._flags = 0
        self._stream = 0
        self._started = False
        """Content of the open frame was seen: padding and priority are behind."""
        self._block = bytearray()
        self._block_ends_stream = False
        self._block_cut = False

    def opens(self, header: bytes, *, sound: bool) -> int | None:
        """Take a frame's header."""
        if not sound and not is_plausible(header):
            return None
        self._kind, self._flags = header[3], header[4]
        self._stream = int.from_bytes(header[5:9]) & 0x7FFFFFFF
        self._started = False
        if self._kind == FrameType.HEADERS:
            self._block.clear()
            self._block_cut = False
            self._block_ends_stream = bool(self._flags & _END_STREAM)
        return int.from_bytes(header[:3])

    def content(self, data: bytes) -> None:
        """Take a piece of a frame."""
        if self._kind in (FrameType.HEADERS, FrameType.CONTINUATION):
            room = BLOCK_MAX + _PADDING_MAX - len(self._block)
            self._block_cut = self._block_cut or len(data) > room
            self._block += data[: max(room, 0)]
        elif self._kind == FrameType.DATA:
            if not self._started and self._flags & _PADDED:
                data = data[1:]
            self._started = True
            self.data(self._stream, data)

    def missing(self) -> None:
        """End the open frame with what is known of it."""
        if self._kind in (FrameType.HEADERS, FrameType.CONTINUATION):
            self._block_cut = True
            self._end_block()
        elif self._kind == FrameType.DATA:
            self.ended(self._stream)

    def closes(self) -> None:
        """Take the end of a frame."""
        if self._kind in (FrameType.HEADERS, FrameType.CONTINUATION):
            if self._kind == FrameType.HEADERS:
                self._strip()
            if self._flags & _END_HEADERS:
                self._end_block()
        elif self._kind == FrameType.RST_STREAM or (
            self._kind == FrameType.DATA and self._flags & _END_STREAM
        ):
            self.ended(self._stream)

    def may_miss(self, count: int) -> bool:
        """Whether so many bytes are updates of windows and pings, which say nothing of requests.

        gRPC sends them behind a message in the same write. A block of headers that adds to the
        table, with its message, takes more.
        """
        return count in _CONTROL_SIZES

    def lost(self) -> None:
        """Forget what depends on frames that were missed."""
        self._hpack.forget()
        self._block.clear()
        self.flush()

    def _strip(self) -> None:
        """Take padding and priority off a HEADERS frame."""
        start, end = 0, len(self._block)
        if self._flags & _PADDED and self._block:
            start, end = 1, end - self._block[0]
        if self._flags & _PRIORITY:
            start += 5
        self._block[:] = self._block[start : max(start, end)]

    def _end_block(self) -> None:
        if self._block_cut and self._kind == FrameType.HEADERS:
            self._strip_start()
        fields = self._hpack.decode(bytes(self._block), cut=self._block_cut)
        self._block.clear()
        self.headers(self._stream, fields, ends=self._block_ends_stream)

    def _strip_start(self) -> None:
        start = (1 if self._flags & _PADDED else 0) + (5 if self._flags & _PRIORITY else 0)
        del self._block[:start]

    @abstractmethod
    def headers(self, stream: int, fields: list[HeaderField], *, ends: bool) -> None:
        """Take a header block; ``ends`` when it is the stream's last."""

    @abstractmethod
    def data(self, stream: int, data: bytes) -> None:
        """Take bytes of a stream's message."""

    @abstractmethod
    def ended(self, stream: int) -> None:
        """Learn that nothing more is known of the stream in this direction."""

    @abstractmethod
    def flush(self) -> None:
        """End every stream with what is known of it."""

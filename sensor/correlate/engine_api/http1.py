"""HTTP/1.1 (RFC 9112) in both directions, as Go's net/http reads it.

Only what gives a message its boundaries is parsed: the start line, Content-Length and
Transfer-Encoding. A line ends with LF, a CR before it is dropped, as Go does. Bodies are skipped,
also where bytes of them are missing. Where the boundary is unknown, the reader waits for a segment
that begins like a message.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from sensor.correlate.engine_api.progress import StreamPosition
from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from sensor.correlate.engine_api.calls import Segment

LINE_MAX = 8192
"""Longest line of a head that is read."""

HEAD_MAX = 65_536
"""Bytes of a head that are read, all lines together."""

REFUSED = 400
"""The first status that refuses a request."""

BODY_MAX = 512
"""Bytes of a body that the sink gets to see."""

_START = re.compile(rb"(?:[A-Z]{3,10} [!-~]|HTTP/1\.[01] [1-5][0-9][0-9])")
_HEAD_END = re.compile(rb"\n\r?\n")
_FRAMING = re.compile(
    rb"\n[\t\v\f\r ]*(?:content-length|transfer-encoding|upgrade)[^\n]*", re.IGNORECASE
)
"""A header that may say where its message ends: of a whole head, the others are not looked at."""
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?")


class BodyKind(Enum):
    """What follows a head."""

    FRAMED = auto()
    """What Content-Length or Transfer-Encoding say; else nothing."""
    NONE = auto()
    UNTIL_CLOSE = auto()
    """As FRAMED, but without a length the connection's end is the body's end."""
    RAW = auto()
    """The connection carries something else from here on."""


@dataclass(frozen=True, slots=True)
class BodyFraming:
    """What a head says of its body."""

    length: int | None = None
    chunked: bool = False
    upgrade: bool = False
    odd: bool = False
    """It contradicts itself, or names an encoding that gives no boundaries."""


_UNFRAMED = BodyFraming()


class MessageSink(Protocol):
    """What a direction does with messages."""

    def start(self, line: bytes, *, whole: bool) -> None:
        """Take a start line, without its end; not ``whole`` when the rest of it is unknown."""

    def head(self, framing: BodyFraming) -> BodyKind:
        """Take the end of a head; return what follows it."""

    def body(self, data: bytes) -> None:
        """Take the beginning of a body."""

    def lost(self) -> None:
        """Learn that messages may have been missed."""


class _State(Enum):
    HEAD = auto()
    BODY = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILER = auto()
    RAW = auto()
    LOST = auto()


_IN_LINES = frozenset({_State.HEAD, _State.CHUNK_SIZE, _State.CHUNK_END, _State.TRAILER})


class MessageReader:
    """Cuts one direction of a connection into messages."""

    __slots__ = (
        "_framing",
        "_head_size",
        "_left",
        "_line",
        "_lines",
        "_progress",
        "_shown",
        "_sink",
        "_state",
        "sound",
    )

    def __init__(self, sink: MessageSink, *, joined: bool) -> None:
        self.sound = not joined
        self._sink = sink
        self._state = _State.LOST if joined else _State.HEAD
        self._line = bytearray()
        self._lines = 0
        self._head_size = 0
        self._framing = _UNFRAMED
        self._left = 0
        self._shown = 0
        self._progress = StreamPosition(None if joined else 0)

    @property
    def raw(self) -> bool:
        """Whether the connection carries something else by now."""
        return self._state is _State.RAW

    def resume(self) -> None:
        """Go on with HTTP, because the engine refused to switch."""
        if self._state is _State.RAW:
            self._lose()

    def feed(self, segment: Segment) -> None:
        """Take the next segment."""
        if self._progress.loses(segment) and self._state is not _State.RAW:
            self._lose()
        missing, data = self._progress.take(segment)
        if missing:
            self._skip(missing)
        if self._state is _State.LOST and _START.match(data):
            self._begin()
        elif self._state is _State.LOST:
            self._sink.lost()
        position = 0
        while position < len(data) and self._state not in (_State.RAW, _State.LOST):
            end = self._whole_head(data, position)
            position = self._step(data, position) if end is None else end
        if segment.cut:
            self._cut(segment)

    def _cut(self, segment: Segment) -> None:
        if self._state is _State.HEAD and self._line and not self._lines:
            self._sink.start(bytes(self._line), whole=False)
        if self._state in _IN_LINES or (segment.offset is None and self._state is not _State.RAW):
            self._lose()

    def _skip(self, count: int) -> None:
        if self._state is _State.RAW:
            return
        if self._state not in (_State.BODY, _State.CHUNK) or count > self._left:
            self._lose()
            return
        self._take(count)

    def _whole_head(self, data: bytes, position: int) -> int | None:
        """Take a head that stands in one segment, as nearly all do; return where it ends."""
        if self._state is not _State.HEAD or self._lines or self._line:
            return None
        end = _HEAD_END.search(data, position, position + LINE_MAX)
        if end is None:
            return None
        line_end = data.find(b"\n", position)
        self._sink.start(data[position:line_end].removesuffix(b"\r"), whole=True)
        for header in _FRAMING.findall(data, line_end, end.start()):
            self._framing = _with_header(self._framing, header)
        self._end_head()
        return end.end()

    def _step(self, data: bytes, position: int) -> int:
        if self._state in (_State.BODY, _State.CHUNK):
            piece = data[position : position + self._left]
            if self._shown < BODY_MAX:
                self._sink.body(piece[: BODY_MAX - self._shown])
                self._shown += len(piece)
            self._take(len(piece))
            return position + len(piece)
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end
        if len(self._line) + stop - position > LINE_MAX:
            if self._state is _State.HEAD and not self._lines:
                self._line += data[position : position + LINE_MAX - len(self._line)]
                self._sink.start(bytes(self._line), whole=False)
            self._lose()
            return len(data)
        self._line += data[position:stop]
        if end < 0:
            return len(data)
        line = bytes(self._line)
        self._line.clear()
        self._take_line(line.removesuffix(b"\r"))
        return end + 1

    def _take(self, count: int) -> None:
        self._left -= count
        if not self._left:
            if self._state is _State.BODY:
                self._begin()
            else:
                self._state = _State.CHUNK_END

    def _take_line(self, line: bytes) -> None:
        if self._state is _State.HEAD:
            self._head_line(line)
        elif self._state is _State.CHUNK_SIZE:
            self._chunk(line)
        elif self._state is _State.CHUNK_END:
            if line:
                self._lose()
            else:
                self._state = _State.CHUNK_SIZE
        elif not line:
            self._begin()

    def _chunk(self, line: bytes) -> None:
        size = _CHUNK.fullmatch(line)
        if size is None:
            self._lose()
            return
        self._left = int(size[1], 16)
        self._state = _State.CHUNK if self._left else _State.TRAILER

    def _head_line(self, line: bytes) -> None:
        self._head_size += len(line) + 2
        if self._head_size > HEAD_MAX:
            self._lose()
        elif not self._lines:
            self._lines = 1
            self._sink.start(line, whole=True)
        elif line:
            self._lines += 1
            self._framing = _with_header(self._framing, line)
        else:
            self._end_head()

    def _end_head(self) -> None:
        framing = self._framing
        body = self._sink.head(framing)
        if body is BodyKind.RAW:
            self._state = _State.RAW
        elif body is BodyKind.NONE:
            self._begin()
        elif framing.odd:
            self._lose()
        elif framing.chunked:
            self._state = _State.CHUNK_SIZE
        elif framing.length:
            self._state, self._left = _State.BODY, framing.length
        elif framing.length is None and body is BodyKind.UNTIL_CLOSE:
            self._state = _State.RAW
        else:
            self._begin()

    def _begin(self) -> None:
        self._state = _State.HEAD
        self._line.clear()
        self._lines = self._head_size = self._left = self._shown = 0
        self._framing = _UNFRAMED

    def _lose(self) -> None:
        self._begin()
        self._state = _State.LOST
        self.sound = False
        self._sink.lost()


def _with_header(framing: BodyFraming, line: bytes) -> BodyFraming:
    name, _, value = line.partition(b":")
    name, value = name.strip().lower(), value.strip()
    if name == b"content-length":
        length = int(value) if _LENGTH.fullmatch(value) else None
        odd = length is None or framing.length not in (None, length)
        return replace(framing, length=length, odd=framing.odd or odd)
    if name == b"transfer-encoding":
        chunked = value.lower() == b"chunked"
        return replace(framing, chunked=chunked, odd=framing.odd or not chunked)
    if name == b"upgrade":
        return replace(framing, upgrade=True)
    return framing

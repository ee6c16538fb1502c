"""Length-prefixed frames, of which bytes may be missing: HTTP/2 and ttrpc.

A frame's content goes to the sink piece by piece, so that nothing is buffered but a header that
two segments share. Bytes between segments that were not copied are skipped within the frame that
they belong to. Where they reach beyond it, the next frame's header is unknown, and the reader
waits for a segment that begins with a plausible header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sensor.correlate.engine_api.progress import StreamPosition

if TYPE_CHECKING:
    from sensor.correlate.engine_api.calls import Segment


class FrameSink(Protocol):
    """What a protocol does with frames."""

    def opens(self, header: bytes, *, sound: bool) -> int | None:
        """Take a frame's header; return the content's length, None when it is implausible."""

    def content(self, data: bytes) -> None:
        """Take a piece of the content of the open frame."""

    def missing(self) -> None:
        """Learn that the rest of the open frame's content is unknown."""

    def closes(self) -> None:
        """Learn that the open frame has ended. Not called after :meth:`missing`."""

    def lost(self) -> None:
        """Learn that frames may have been missed."""

    def may_miss(self, count: int) -> bool:
        """Whether whole frames of that many bytes together can be done without."""


class FrameReader:
    """Cuts one direction of a connection into frames."""

    def __init__(self, header_size: int, sink: FrameSink, *, joined: bool) -> None:
        self.sound = not joined
        """No frame was missed since the connection's first byte."""
        self._size = header_size
        self._sink = sink
        self._header = b""
        self._left = 0
        """Bytes of the open frame that are to come."""
        self._open = False
        self._unknown = False
        """Content of the open frame was missed: what follows of it says nothing."""
        self._synced = True
        self._progress = StreamPosition(None)

    def feed(self, segment: Segment) -> None:
        """Take the next segment."""
        if self._progress.loses(segment):
            self._lose()
        missing, data = self._progress.take(segment)
        if missing:
            self._skip(missing)
        if data and not self._synced:
            self._synced = True
        while data:
            data = self._step(data)
        if segment.cut:
            self._miss()
            if segment.offset is None:
                self._lose()

    def _step(self, data: bytes) -> bytes:
        if not self._open:
            wanted = self._size - len(self._header)
            self._header += data[:wanted]
            data = data[wanted:]
            if len(self._header) < self._size:
                return b""
            length = self._sink.opens(self._header, sound=self.sound)
            self._header = b""
            if length is None:
                self._lose()
                return b""
            self._open, self._unknown, self._left = True, False, length
        piece, data = data[: self._left], data[self._left :]
        self._left -= len(piece)
        if piece and not self._unknown:
            self._sink.content(piece)
        self._close_if_ended()
        return data

    def _skip(self, count: int) -> None:
        if not self._synced:
            return
        beyond = count - self._left if self._open else count + len(self._header)
        if beyond > 0 and not self._sink.may_miss(beyond):
            self._lose()
            return
        if not self._open:
            self._header = b""
            return
        count = min(count, self._left)
        self._miss()
        self._left -= count
        self._close_if_ended()

    def _miss(self) -> None:
        if self._open and not self._unknown:
            self._unknown = True
            self._sink.missing()

    def _close_if_ended(self) -> None:
        if self._open and not self._left:
            self._open = False
            if not self._unknown:
                self._sink.closes()

    def _lose(self) -> None:
        self._miss()
        self.sound = self._synced = self._open = False
        self._header, self._left = b"", 0
        self._sink.lost()

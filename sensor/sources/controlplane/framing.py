"""UTF-8 as a row of frames: lines, objects over several lines, and the elements of long arrays.

A line that begins and ends as an object does is one frame: the common case, and the fast one.
Everything else is found by an incremental scan: objects over several lines, and the elements of an
array that is the whole file or the first list of its object (``{"Records":[…]}``) and may be larger
than memory.

A frame is at most ``FRAME_LIMIT`` bytes. A larger one, and one that is cut, costs that frame: the
scan goes on at the next line. A line that begins with ``{`` inside of an open object begins a new
record, since pretty-printers indent what is inside. A string holds no line break.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import maker, quick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FRAME_LIMIT = 16 * 1024 * 1024
"""Bytes of one frame. An object of etcd has at most 1.5 MiB, its audit event three times that."""
_HEAD = 2048
"""Bytes in which the beginning of a list is looked for."""
_TOKEN = re.compile(rb'"(?:[^"\\\n]++|\\[^\n])*+"|[\[{\]}]|["\n]')
_PATIENCE = 256 * 1024
"""Bytes of a line without an end that are awaited before values are looked for in it."""
_LIST = re.compile(
    rb'\{\s*(?:"(?:kind|apiVersion|metadata)"\s*:\s*(?:"[^"\\]{0,256}"|\{\s*\})\s*,\s*){0,3}'
    rb'"(?:Records|records|items|value)"\s*:\s*\['
)
"""The beginning of an object whose list is read element by element."""
_NO_LIST = (b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":', b'{"level":')
"""Beginnings of audit events: none of them is that of such an object."""
_NEXT = re.compile(rb"[^ \t\r\n,\x1e]")
"""A comma between values is a list without its brackets, 0x1e begins a record of RFC 7464."""
_NEXT_ELEMENT = re.compile(rb"[^ \t\r\n,]")
_SCALAR_END = re.compile(rb"[,\]\n]")

_WINDOW = 16 * 1024
"""Bytes in which the parser looks for the end of an element."""
_DECODER = json.JSONDecoder()
_OPEN, _CLOSE, _LIST_OPEN, _LIST_CLOSE = b"{}[]"
_QUOTE, _LINE_BREAK = b'"\n'


@quick
@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes of one value or line. ``item`` is its place in the array that it stood in."""

    data: bytes
    line: int
    item: int | None = None


_frame = maker(Frame)


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame that cannot be read, and why."""

    reason: str
    line: int
    item: int | None = None


class _Mode(Enum):
    VALUES = auto()
    """Between values."""
    ELEMENTS = auto()
    """In the array that is read element by element."""
    TAIL = auto()
    """Behind that array, up to the end of its object."""
    SKIP = auto()
    """In what is too long, up to the end of its line."""


_VALUES = _Mode.VALUES


class Framer:
    """Cuts a stream into frames. ``feed`` gives what is complete, ``close`` what is left."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._line = 1
        self._mode = _Mode.VALUES
        self._item = 0
        self._wrapped = False
        """The array stands in an object."""
        self._scanned = 0
        self._depth = 0
        self._awaited = 0
        self._steps = {
            _Mode.VALUES: self._value,
            _Mode.ELEMENTS: self._element,
            _Mode.TAIL: self._tail,
            _Mode.SKIP: self._skip,
        }

    def feed(self, piece: bytes) -> Iterator[Frame | BadFrame]:
        """Take more of the stream and yield the frames that are complete."""
        self._buffer += piece
        yield from self._frames(final=False)

    def close(self) -> Iterator[Frame | BadFrame]:
        """Yield what is left at the end of the stream."""
        yield from self._frames(final=True)
        if self._mode is _Mode.ELEMENTS:
            yield BadFrame("cut short", self._line, self._item)

    def objects_of(self, line: bytes) -> list[bytes]:
        """Return the objects that fill a whole line; none of them if anything else stands in it."""
        found = []
        self._buffer += line
        while self._buffer and (end := self._balanced()) is not None and end > 0:
            found.append(bytes(self._buffer[:end]))
            self._drop(end)
            if not self._at(_NEXT_ELEMENT):
                return found
        return []

    @property
    def line(self) -> int:
        """The line that is read now, from 1."""
        return self._line

    @line.setter
    def line(self, line: int) -> None:
        self._line = line

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def _frames(self, *, final: bool) -> Iterator[Frame | BadFrame]:
        """Step until a step needs more input. A step gives a frame, or True to go on without."""
        buffer, limit = self._buffer, self._limit
        while buffer:
            if buffer[0] == _OPEN and self._mode is _VALUES and not self._scanned:
                # The common case: a line that is one object from its first byte to its last.
                end = buffer.find(b"\n")
                if (
                    0 <= end <= limit
                    and buffer[end - 1] == _CLOSE
                    and (buffer.startswith(_NO_LIST) or _LIST.match(buffer, 0, _HEAD) is None)
                ):
                    line = self._line
                    data = bytes(buffer[:end])
                    del buffer[: end + 1]
                    self._line = line + 1
                    yield _frame(data, line)
                    continue
            made = self._steps[self._mode](final=final)
            if made is None:
                return
            if not isinstance(made, bool):
                yield made

    # ---------------------------------------------------------------------------- steps

    def _value(self, *, final: bool) -> Frame | BadFrame | bool | None:
        buffer = self._buffer
        if self._scanned == 0:
            if not self._at(_NEXT):
                return None
            if buffer[0] == _LIST_OPEN:
                return self._begin_list(1, wrapped=False)
            if buffer[0] == _OPEN:
                listed = _LIST.match(buffer, 0, _HEAD)
                if listed is not None:
                    return self._begin_list(listed.end(), wrapped=True)
        end = buffer.find(b"\n", self._scanned)
        if buffer[0] != _OPEN:
            # A line other than an object: klog text, a debug log. The parser refuses it.
            if end < 0 and not final:
                return self._too_long() if len(buffer) > self._limit else None
            return self._take(len(buffer) if end < 0 else end)
        if end >= 0 and self._scanned == 0 and _closes(buffer, end):
            return self._take(end)
        if end < 0 and not final and len(buffer) < _PATIENCE:
            return None
        return self._object(final=final)

    def _element(self, *, final: bool) -> Frame | BadFrame | bool | None:
        buffer = self._buffer
        if self._scanned == 0 and not self._at(_NEXT_ELEMENT):
            return None
        if self._scanned == 0 and buffer[0] == _LIST_CLOSE:
            del buffer[:1]
            self._mode = _Mode.TAIL if self._wrapped else _Mode.VALUES
            self._depth = 1
            return True
        if buffer[0] == _OPEN and self._scanned == 0 and (end := _whole_object(buffer)) is not None:
            return self._take(end)
        if buffer[0] not in (_OPEN, _LIST_OPEN):
            found = _SCALAR_END.search(buffer)
            if found is None and not final:
                return self._too_long() if len(buffer) > self._limit else None
            line, item = self._line, self._item
            self._item += 1
            self._drop(len(buffer) if found is None else max(found.start(), 1))
            return BadFrame("not an object", line, item)
        return self._object(final=final)

    def _tail(self, *, final: bool) -> bool | None:
        """Drop the keys behind the array; none of the envelopes has a record there."""
        end = self._balanced()
        if end is None and not final and len(self._buffer) <= self._limit:
            return None
        self._drop(len(self._buffer) if end is None else abs(end))
        self._mode = _Mode.VALUES
        return True

    def _skip(self, *, final: bool) -> bool | None:
        end = self._buffer.find(b"\n")
        self._drop(len(self._buffer) if end < 0 else end + 1)
        if end < 0:
            return None
        self._mode = _Mode.VALUES
        return True if not final or self._buffer else None

    # -------------------------------------------------------------------------- objects

    def _object(self, *, final: bool) -> Frame | BadFrame | bool | None:
        """Take the object that the buffer begins with, which may go over several lines."""
        if len(self._buffer) < min(self._awaited, self._limit + 1) and not final:
            return None
        end = self._balanced()
        if end is None:
            if len(self._buffer) > self._limit:
                return self._too_long()
            return self._cut(len(self._buffer)) if final else None
        return self._cut(-end) if end < 0 else self._take(end)

    def _balanced(self) -> int | None:
        """Return the end of the object at the buffer's begin; None while it is open.

        The negative of a place says that the object is broken there. The scan goes on where it
        stopped the last time, so that a long frame is scanned once.
        """
        buffer, depth, at = self._buffer, self._depth, self._scanned
        for token in _TOKEN.finditer(buffer, at):
            start, first = token.start(), buffer[token.start()]
            if first in (_OPEN, _LIST_OPEN):
                depth += 1
            elif first in (_CLOSE, _LIST_CLOSE):
                depth -= 1
                if depth <= 0:
                    return token.end()
            elif first == _LINE_BREAK:
                if start + 1 >= len(buffer):
                    break
                if buffer[start + 1] == _OPEN:
                    return -start
            elif token.end() - start == 1:
                # A string that has not ended yet, or never will on its line.
                broken = buffer.find(b"\n", start)
                if broken >= 0:
                    return -broken
                # It is scanned again from its begin, so only when the buffer has doubled.
                at, self._awaited = start, 2 * len(buffer) if start + _PATIENCE < len(buffer) else 0
                break
            at = token.end()
        self._scanned, self._depth = at, depth
        return None

    def _begin_list(self, length: int, *, wrapped: bool) -> bool:
        self._drop(length)
        self._mode, self._item, self._wrapped = _Mode.ELEMENTS, 0, wrapped
        return True

    def _take(self, end: int) -> Frame | BadFrame:
        data = bytes(self._buffer[:end])
        line, item = self._place()
        self._drop(end)
        if len(data) > self._limit:
            return BadFrame(f"longer than {self._limit} bytes", line, item)
        return Frame(data, line, item)

    def _cut(self, end: int) -> BadFrame:
        line, item = self._place()
        self._drop(max(end, 1))
        return BadFrame("cut short", line, item)

    def _too_long(self) -> BadFrame:
        line, item = self._place()
        self._drop(len(self._buffer))
        self._mode = _Mode.SKIP
        return BadFrame(f"longer than {self._limit} bytes", line, item)

    def _place(self) -> tuple[int, int | None]:
        if self._mode is not _Mode.ELEMENTS:
            return self._line, None
        self._item += 1
        return self._line, self._item - 1

    def _at(self, wanted: re.Pattern[bytes]) -> bool:
        """Drop what stands before the next value; return whether there is one."""
        found = wanted.search(self._buffer)
        end = len(self._buffer) if found is None else found.start()
        if end:
            self._drop(end)
        return found is not None

    def _drop(self, length: int) -> None:
        self._line += self._buffer.count(b"\n", 0, length)
        del self._buffer[:length]
        self._scanned = self._depth = self._awaited = 0


def _whole_object(buffer: bytearray) -> int | None:
    """Return the end of a short object that is whole; None where the scan has to find it.

    The parser finds the end in a tenth of the time that the scan takes. What it refuses, and what
    the scan would cut at a line that begins an object, is left to the scan.
    """
    window = bytes(buffer[:_WINDOW])
    try:
        text = window.decode()
        end = _DECODER.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return None
    if not text.isascii():
        end = len(text[:end].encode())
    return None if window.find(b"\n{", 0, end) >= 0 else end


def _closes(buffer: bytearray, end: int) -> bool:
    """Return whether a line ends as an object does: then it is one value, or a damaged one."""
    while end > 0 and buffer[end - 1] in b" \t\r":
        end -= 1
    return end > 0 and buffer[end - 1] == _CLOSE


def frames(pieces: Iterable[bytes], limit: int = FRAME_LIMIT) -> Iterator[Frame | BadFrame]:
    """Yield the frames of a stream that ends."""
    framer = Framer(limit)
    for piece in pieces:
        yield from framer.feed(piece)
    yield from framer.close()


def parts(line: bytes) -> list[bytes]:
    """Return the objects of a line that holds several without a break between them."""
    return Framer().objects_of(line)

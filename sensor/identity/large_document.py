"""A JSON object that is too large to be parsed whole, read in pieces with its largest parts cut.

One value that is too large must not take the others with it. The user who starts a container
chooses its labels, arguments and mounts, and the engine's own record is in the same file. Rules:

- a string longer than ``STRING_MAX`` is left out;
- an object or array keeps so many small members and so many bytes of larger ones, in their order;
  those beyond are passed over without being parsed;
- everything else is kept, wherever it stands. Memory is bounded by what is kept and one chunk.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sensor.identity.document import JsonDocument
from sensor.identity.files import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 16
"""Bytes read at once."""

STRING_MAX = 16_384
"""Bytes of a string that is kept, as it is written."""

SMALL = 256
"""Bytes up to which a string is a small one."""

SMALL_MEMBERS = 4096
"""Small members of one object or array that are kept: the most that one access returns."""

LARGE_BYTES = 65_536
"""Bytes of larger strings of one object or array that are kept."""

DEPTH_MAX = 64
VALUES_MAX = 65_536
"""Values of the whole document that are kept."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
# No repeated group is possessive here: CPython before 3.11.5 matches those wrongly (gh-106052).
_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*)"', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*', re.DOTALL)
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]{1,64}+(?=[ \t\r\n,}\]])")
_DULL = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*")+', re.DOTALL)
_SCALARS: dict[bytes, object] = {b"true": True, b"false": False, b"null": None}

Container = dict[str, object] | list[object]


class _Malformed(ValueError):
    """The text is not JSON."""


class LargeDocument:
    """Parses one object from chunks of bytes. ``cut`` says then whether anything is missing."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        """``more`` returns the next chunk, empty at the end."""
        self.cut = False
        self._more = more
        self._buffer = b""
        self._place = 0
        self._values = 0

    def parse(self) -> JsonDocument | Failure:
        """Return the object without what was cut."""
        try:
            if self._sign() != b"{":
                return Failure.WRONG_TYPE
            value = self._container(0)
            if self._sign() != b"":
                return Failure.MALFORMED
        except _Malformed:
            return Failure.MALFORMED
        except RecursionError:
            return Failure.TOO_DEEP
        return JsonDocument(value) if isinstance(value, dict) else Failure.WRONG_TYPE

    # ----------------------------------------------------------------- the text

    def _refill(self) -> bool:
        """Append a chunk to what is left; false at the end."""
        chunk = self._more()
        self._buffer = self._buffer[self._place :] + chunk
        self._place = 0
        return bool(chunk)

    def _sign(self) -> bytes:
        """Pass over space; return the next character without taking it, empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._place)
            self._place = match.end() if match is not None else self._place
            if self._place < len(self._buffer):
                return self._buffer[self._place : self._place + 1]
            if not self._refill():
                return b""

    def _string(self) -> bytes | None:
        """Take a string; None for one that is too long to be kept."""
        while True:
            match = _STRING.match(self._buffer, self._place)
            if match is not None:
                self._place = match.end()
                return match[1] if len(match[1]) <= STRING_MAX else None
            if len(self._buffer) - self._place > STRING_MAX:
                self._skip_string()
                return None
            if not self._refill():
                raise _Malformed

    def _skip_string(self) -> None:
        """Take a string of any length and forget it."""
        self._place += 1
        while True:
            match = _IN_STRING.match(self._buffer, self._place)
            self._place = match.end() if match is not None else self._place
            if self._buffer[self._place : self._place + 1] == b'"':
                self._place += 1
                return
            if not self._refill():
                raise _Malformed

    def _scalar(self) -> object:
        while True:
            match = _SCALAR.match(self._buffer, self._place)
            if match is not None:
                break
            if len(self._buffer) - self._place > CHUNK or not self._refill():
                raise _Malformed
        self._place = match.end()
        text = match[0]
        if text in _SCALARS:
            return _SCALARS[text]
        try:
            return json.loads(text)
        except ValueError as error:
            raise _Malformed from error

    def _skip_rest(self) -> None:
        """Pass over the rest of the object or array that is open, with its closing bracket."""
        depth = 1
        while depth:
            match = _DULL.match(self._buffer, self._place)
            self._place = match.end() if match is not None else self._place
            sign = self._buffer[self._place : self._place + 1]
            if sign in (b"{", b"["):
                depth += 1
                self._place += 1
            elif sign in (b"}", b"]"):
                depth -= 1
                self._place += 1
            elif sign == b'"' and len(self._buffer) - self._place > CHUNK:
                self._skip_string()
            elif not self._refill():
                raise _Malformed

    # ----------------------------------------------------------------- the values

    def _container(self, depth: int) -> Container:
        """Take an object or array whose opening bracket is next."""
        is_object = self._buffer[self._place : self._place + 1] == b"{"
        end = b"}" if is_object else b"]"
        self._place += 1
        found: dict[str, object] = {}
        items: list[object] = []
        small, room = SMALL_MEMBERS, LARGE_BYTES
        if self._sign() == end:
            self._place += 1
            return found if is_object else items
        while True:
            key = self._key() if is_object else ""
            size, value = self._value(depth)
            if size <= SMALL:
                small -= 1
            else:
                room -= size
            self._values += 1
            if small < 0 or self._values > VALUES_MAX:
                self.cut = True
                self._skip_rest()
                return found if is_object else items
            if key is None or value is _LEFT_OUT or (size > SMALL and room < 0):
                self.cut = True
            elif is_object:
                found[key] = value
            else:
                items.append(value)
            sign = self._sign()
            self._place += 1
            if sign == end:
                return found if is_object else items
            if sign != b",":
                raise _Malformed

    def _key(self) -> str | None:
        if self._sign() != b'"':
            raise _Malformed
        key = self._string()
        if self._sign() != b":":
            raise _Malformed
        self._place += 1
        return _decoded(key) if key is not None else None

    def _value(self, depth: int) -> tuple[int, object]:
        """Take a value; return the bytes that it counts for, and ``_LEFT_OUT`` for one too long."""
        sign = self._sign()
        if sign == b'"':
            text = self._string()
            return (0, _LEFT_OUT) if text is None else (len(text), _decoded(text))
        if sign in (b"{", b"["):
            if depth >= DEPTH_MAX:
                self._place += 1
                self._skip_rest()
                return 0, _LEFT_OUT
            return 0, self._container(depth + 1)
        return 0, self._scalar()


_LEFT_OUT = object()


def _decoded(raw: bytes) -> str:
    text = raw.decode("utf-8", "surrogateescape")
    if "\\" not in text:
        return text
    try:
        value = json.loads(f'"{text}"', strict=False)
    except ValueError as error:
        raise _Malformed from error
    return value if isinstance(value, str) else ""

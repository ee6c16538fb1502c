"""On which line of a TOML file a key stands: ``tomllib`` reports it for syntax errors only.

Finds headers ``[section.name]`` and keys at the beginning of lines. What stands within a string or
an array of several lines is passed over. A key that is written another way (an inline table, a
dotted key of a parent) is reported at its table's header, or without a line.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]{1,300}?)\s*\]")
_KEY = re.compile(r"\s*(\"[^\"]{1,128}\"|'[^']{1,128}'|[A-Za-z0-9_.-]{1,128})\s*=")
_PIECE = re.compile(r"\"{3}|'{3}|\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\[\]#]")
"""What decides where a value ends: fences of long strings, short strings, brackets, a comment."""
_CLOSING = {
    '"""': re.compile(r"(?:[^\"\\]|\\.|\\$|\"{1,2}(?!\"))*\"{3,5}"),
    "'''": re.compile(r".*?'{3,5}"),
}


class KeyLines:
    """Lines by table and key."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        value = _Value()
        # Only a newline ends a line of TOML: str.splitlines knows more ends.
        for number, line in enumerate(text.split("\n"), 1):
            if value.is_open:
                value.read(line)
            elif header := _HEADER.match(line):
                table = _path(header[1])
                for length in range(1, len(table) + 1):
                    self._lines.setdefault(table[:length], number)
            elif key := _KEY.match(line):
                self._lines.setdefault((*table, *_path(key[1])), number)
                value.read(line[key.end() :])

    def line(self, *path: str) -> int | None:
        """Return the line of a key, else that of the innermost table above it."""
        for length in range(len(path), 0, -1):
            if (found := self._lines.get(path[:length])) is not None:
                return found
        return None


class _Value:
    """Whether a value goes on in the next line."""

    def __init__(self) -> None:
        self._fence: str | None = None
        self._depth = 0

    @property
    def is_open(self) -> bool:
        return self._fence is not None or self._depth > 0

    def read(self, line: str) -> None:
        at = 0
        while True:
            if self._fence is not None:
                end = _CLOSING[self._fence].match(line, at)
                if end is None:
                    return
                self._fence, at = None, end.end()
            piece = _PIECE.search(line, at)
            if piece is None or piece[0] == "#":
                return
            at = piece.end()
            if piece[0] in _CLOSING:
                self._fence = piece[0]
            elif piece[0] in "[]":
                self._depth += 1 if piece[0] == "[" else -1


def _path(text: str) -> tuple[str, ...]:
    """Split a dotted key; quoted parts may hold dots."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", text)
    return tuple(part.strip("\"'") for part in parts)

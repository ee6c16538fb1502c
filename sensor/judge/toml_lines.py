"""On which line of a TOML file a key stands: ``tomllib`` reports it for syntax errors only.

Finds headers ``[section.name]`` and keys at the beginning of lines. What stands within a string of
several lines is passed over. A key that is written another way (an inline table, a dotted key of a
parent) is reported at its table's header, or without a line.
"""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]{1,300}?)\s*\]")
_KEY = re.compile(r"\s*(\"[^\"]{1,128}\"|'[^']{1,128}'|[A-Za-z0-9_.-]{1,128})\s*=")
_FENCES = ('"""', "'''")


class KeyLines:
    """Lines by table and key."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        fence: str | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if fence is not None:
                fence = None if line.count(fence) % 2 else fence
                continue
            if header := _HEADER.match(line):
                table = _path(header[1])
                for length in range(1, len(table) + 1):
                    self._lines.setdefault(table[:length], number)
            elif key := _KEY.match(line):
                self._lines.setdefault((*table, *_path(key[1])), number)
            fence = next((one for one in _FENCES if line.count(one) % 2), None)

    def line(self, *path: str) -> int | None:
        """Return the line of a key, else that of the innermost table above it."""
        for length in range(len(path), 0, -1):
            if (found := self._lines.get(path[:length])) is not None:
                return found
        return None


def _path(text: str) -> tuple[str, ...]:
    """Split a dotted key; quoted parts may hold dots."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", text)
    return tuple(part.strip("\"'") for part in parts)

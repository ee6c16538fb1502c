"""Bytes that arrive in pieces, to whole lines of bounded length."""

from __future__ import annotations

LINE_MAX = 32 << 10
"""Bytes of one line: a full record, its enrichment and a node's name fit well."""


class LineSplitter:
    """Keeps the part of a line whose end has not come."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.oversized = 0

    def split(self, data: bytes) -> list[bytes]:
        """Take what arrived, return the whole lines. One beyond the limit is dropped."""
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if self._skipping:
            rest = b""
        elif len(rest) > LINE_MAX:
            self.oversized += 1
            self._skipping = True
            rest = b""
        self._rest = rest
        whole = [line for line in lines if len(line) <= LINE_MAX]
        self.oversized += len(lines) - len(whole)
        return whole

    def reset(self) -> None:
        """Forget a part of a line: what follows is another stream."""
        self._rest = b""
        self._skipping = False

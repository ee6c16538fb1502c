"""Bytes that arrive in pieces, to whole lines of bounded length; pure, no I/O.

What is longer than the limit is skipped to its end and counted, never kept.
"""

from __future__ import annotations


class LineSplitter:
    """Lines that end with a newline, without it. Empty ones are left out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False
        self.oversized = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the lines that are whole now."""
        found: list[bytes] = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._keep(end)
            if not self._skipping and self._rest:
                found.append(bytes(self._rest))
            self._rest.clear()
            self._skipping = False
        self._keep(rest)
        return found

    def _keep(self, part: bytes) -> None:
        if self._skipping:
            return
        if len(self._rest) + len(part) > self._limit:
            self.oversized += 1
            self._skipping = True
            self._rest.clear()
        else:
            self._rest += part

    def reset(self) -> None:
        """Forget a part of a line: what follows is another stream."""
        self._rest.clear()
        self._skipping = False

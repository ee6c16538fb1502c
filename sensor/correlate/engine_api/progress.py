"""How far one direction of a connection was read: what a segment repeats, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.correlate.engine_api.calls import Segment


class StreamPosition:
    """The position up to which bytes were taken; None while it is unknown."""

    __slots__ = ("_position",)

    def __init__(self, position: int | None) -> None:
        self._position = position

    def loses(self, segment: Segment) -> bool:
        """Whether a segment's position is unknown although that of the bytes before was known."""
        return segment.offset is None and bool(self._position)

    def take(self, segment: Segment) -> tuple[int, bytes]:
        """Return how many bytes are missing before a segment, and those of it that are new."""
        before, offset, data = self._position, segment.offset, segment.data
        if offset is None:
            self._position = None
            return 0, data
        self._position = max(before or 0, offset + len(data))
        if before is None:
            return 0, data
        return max(offset - before, 0), data[max(before - offset, 0) :]

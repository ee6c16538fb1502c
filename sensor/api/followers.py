"""Who follows events as they come, each with a bounded queue.

Without followers an event costs nothing: its line is not even encoded. Followers share one copy
of each line. One whose queue is full is cut: what waited is thrown away and counted, and nothing is
queued for it any more.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING

from sensor.api.eventlog import Cursor
from sensor.api.lines import with_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from sensor.api.eventlog import EventLog
    from sensor.api.limits import Limits
    from sensor.schema.filters import Filters

NO_LOG = "live"
"""The stream's name in cursors where no log is kept."""


class Follower:
    """One client's queue. It fills from :attr:`listening` on."""

    __slots__ = ("_limits", "_matches", "_queue", "_size", "cut", "listening", "lost", "wake")

    def __init__(self, filters: Filters, limits: Limits) -> None:
        self.listening = False
        self.cut = False
        self.lost = 0
        self.wake = asyncio.Event()
        self._limits = limits
        self._matches = filters.matcher() if filters else None
        self._queue: deque[tuple[int, bytes]] = deque()
        self._size = 0

    def wants(self, document: Callable[[], Mapping[str, Any]]) -> bool:
        """Return whether an event is for this follower."""
        return self._matches is None or self._matches(document())

    def put(self, sequence: int, line: bytes) -> None:
        """Queue a line, or cut the follower."""
        if self.cut:
            self.lost += 1
            return
        full = len(self._queue) >= self._limits.queue_lines
        if full or self._size + len(line) > self._limits.queue_bytes:
            self.cut = True
            self.lost = len(self._queue) + 1
            self._queue.clear()
            self._size = 0
        else:
            self._queue.append((sequence, line))
            self._size += len(line)
        self.wake.set()

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._queue and not self.cut

    def take(self) -> list[tuple[int, bytes]]:
        """Return what waits and empty the queue."""
        taken = list(self._queue)
        self._queue.clear()
        self._size = 0
        self.wake.clear()
        return taken


class Followers:
    """All followers of one server."""

    def __init__(self, limits: Limits, log: EventLog | None) -> None:
        self.limits = limits
        self.published = 0 if log is None else log.newest()
        """The sequence that was published last."""
        self.cut = 0
        """Followers that were cut, ever."""
        self._log = log
        self._followers: set[Follower] = set()

    @property
    def stream(self) -> str:
        """The log's name, for cursors."""
        return NO_LOG if self._log is None else self._log.stream

    def __len__(self) -> int:
        return len(self._followers)

    def join(self, filters: Filters) -> Follower | None:
        """Return a new follower; None when there are enough."""
        if len(self._followers) >= self.limits.followers:
            return None
        follower = Follower(filters, self.limits)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        self._followers.discard(follower)

    def publish(self, sequence: int, line: Callable[[], bytes]) -> None:
        """Hand an event to all followers; ``line`` is called at most once."""
        self.published = max(self.published, sequence)
        if not self._followers:
            return
        event = _Published(line)
        for follower in self._followers:
            if follower.listening and follower.wants(event.document):
                was_cut = follower.cut
                follower.put(sequence, event.line(Cursor(self.stream, sequence)))
                self.cut += follower.cut and not was_cut


class _Published:
    """One event, encoded and read when the first follower needs it."""

    __slots__ = ("_document", "_encode", "_line", "_with_cursor")

    def __init__(self, encode: Callable[[], bytes]) -> None:
        self._encode = encode
        self._line: bytes | None = None
        self._with_cursor: bytes | None = None
        self._document: Mapping[str, Any] | None = None

    def document(self) -> Mapping[str, Any]:
        if self._document is None:
            document: Mapping[str, Any] = json.loads(self._encoded())
            self._document = document
        return self._document

    def line(self, cursor: Cursor) -> bytes:
        if self._with_cursor is None:
            self._with_cursor = with_cursor(self._encoded(), cursor)
        return self._with_cursor

    def _encoded(self) -> bytes:
        if self._line is None:
            self._line = self._encode()
        return self._line

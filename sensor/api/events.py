"""``GET /v1/events``: what the log holds, and what comes, as lines of JSON.

A follower reads the log page by page until it has caught up, has its queue filled from then on, and
reads what was kept in between: no event is missed and none comes twice.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.api import lines
from sensor.api.containers import as_json
from sensor.api.eventlog import Cursor, line_of
from sensor.api.http import StreamedAnswer
from sensor.api.query import parse_events
from sensor.api.scan import Scan
from sensor.api.since import to_text
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sensor.api.eventlog import EventLog
    from sensor.api.followers import Follower, Followers
    from sensor.api.http import Answer, Response
    from sensor.api.query import EventsRequest
    from sensor.api.worker import QueryWorker
    from sensor.store.entry import LogEntry


class Events:
    """Answers for one server. ``now`` is the wall clock in ns."""

    def __init__(
        self,
        log: EventLog | None,
        followers: Followers,
        worker: QueryWorker,
        now: Callable[[], int],
    ) -> None:
        self._log = log
        self._followers = followers
        self._worker = worker
        self._now = now

    async def answer(self, text: str) -> Answer:
        """Answer a query string; raises ValueError when it makes no sense."""
        request = parse_events(text, self._now(), self._followers.limits)
        session = _Session(self._log, self._followers, self._worker, self._now, request)
        if request.historical:
            refusal = await self._expired(request)
            if refusal is not None:
                return refusal
            await session.open()
        if request.follow and not session.join():
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many followers, try again")
        return StreamedAnswer(
            session.lines(),
            self._followers.limits.follow_seconds,
            session.last_words,
            session.close,
        )

    async def _expired(self, request: EventsRequest) -> Response | None:
        log = self._log
        if log is None:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "this agent keeps no event log")
        after = request.query.after
        if after is None:
            return None
        oldest = await self._worker.run(log.oldest)
        if request.stream == log.stream and oldest <= after <= log.newest():
            return None
        cursor = str(Cursor(log.stream, oldest))
        return _refusal(HTTPStatus.GONE, "what follows this cursor is not kept", oldest=cursor)


class _Session:
    """One client's way through the log and on."""

    def __init__(
        self,
        log: EventLog | None,
        followers: Followers,
        worker: QueryWorker,
        now: Callable[[], int],
        request: EventsRequest,
    ) -> None:
        self._followers = followers
        self._limits = followers.limits
        self._worker = worker
        self._now = now
        self._request = request
        self._left = request.limit
        self._follower: Follower | None = None
        self._scan = Scan(log, request.query, request.filters) if log is not None else None
        self._first: list[LogEntry] = []
        self._position = 0 if request.historical else followers.published
        self._caught_up = 0
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + self._limits.query_seconds

    async def open(self) -> None:
        """Read the first page, so that the status reports an unreadable log."""
        if self._scan is None:
            return
        if self._request.tail is not None:
            left = self._request.tail
            while left and not self._scan.done and self._loop.time() < self._deadline:
                left = await self._worker.run(self._scan.back, left)
            self._scan.turn()
        self._first = await self._worker.run(self._scan.next)

    def join(self) -> bool:
        """Take a follower's place; False when there is none."""
        self._follower = self._followers.join(self._request.filters)
        if self._follower is not None and not self._request.historical:
            self._follower.listening = True
        return self._follower is not None

    def close(self) -> None:
        """Give the place back."""
        if self._follower is not None:
            self._followers.leave(self._follower)

    def last_words(self) -> bytes:
        """Return the last line for a client that left everything unread."""
        lost = 0 if self._follower is None else self._follower.lost or len(self._follower.take())
        return lines.gap(self._cursor(), self._time(), lost)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Give the lines, several at a time where they are there."""
        try:
            async for chunk in self._history():
                yield chunk
        except CastoffError as error:
            yield lines.error(self._cursor(), error.problem)
            return
        if self._follower is None or self._left == 0:
            return
        self._position = max(self._position, self._caught_up)
        async for chunk in self._live(self._follower):
            yield chunk

    async def _history(self) -> AsyncGenerator[bytes, None]:
        scan = self._scan
        if scan is None or not self._request.historical:
            return
        follower = self._follower
        found, self._first = self._first, []
        while True:
            if found:
                yield self._lines(self._with_places(found), fresh=True)
                if self._left == 0:
                    return
            self._position = max(self._position, scan.position or 0)
            if scan.done:
                if follower is None or follower.listening:
                    return
                # Whatever comes from now on is queued; what came until now, one more look shows.
                follower.listening = True
                self._caught_up = self._followers.published
            elif follower is None and self._loop.time() >= self._deadline:
                yield lines.more(self._cursor())
                return
            found = await self._worker.run(scan.next)

    async def _live(self, follower: Follower) -> AsyncGenerator[bytes, None]:
        while not self._is_over():
            try:
                async with asyncio.timeout(self._patience()):
                    await follower.wake.wait()
            except TimeoutError:
                if follower.idle:
                    self._position = max(self._position, self._followers.published)
                yield lines.heartbeat(self._cursor(), self._time())
                continue
            if follower.cut:
                yield self.last_words()
                return
            fresh = [item for item in follower.take() if item[0] > self._position]
            if fresh:
                yield self._lines(fresh, fresh=False)
            if self._left == 0:
                return

    def _with_places(self, entries: list[LogEntry]) -> list[tuple[int, bytes]]:
        stream = self._followers.stream
        return [(entry.sequence, line_of(entry, stream)) for entry in entries]

    def _lines(self, events: list[tuple[int, bytes]], *, fresh: bool) -> bytes:
        """Return the lines to send; those out of the log are ``fresh`` and get their cursors."""
        if self._left is not None:
            events = events[: self._left]
            self._left -= len(events)
        self._position = events[-1][0]
        if not fresh:
            return b"".join(line for _, line in events)
        stream = self._followers.stream
        return b"".join(lines.with_cursor(line, Cursor(stream, n)) for n, line in events)

    def _is_over(self) -> bool:
        until = self._request.query.until
        return until is not None and self._now() >= until

    def _patience(self) -> float:
        """Seconds to wait for the next event: until a heartbeat is due, or ``until``."""
        until = self._request.query.until
        beat = self._limits.heartbeat_seconds
        return beat if until is None else min(beat, max(0.0, (until - self._now()) / 1e9))

    def _cursor(self) -> Cursor:
        return Cursor(self._followers.stream, self._position)

    def _time(self) -> str:
        return to_text(self._now())


def _refusal(status: HTTPStatus, reason: str, **more: str) -> Response:
    return as_json({"error": reason, **more}, status)

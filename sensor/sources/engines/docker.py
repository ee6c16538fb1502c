"""Subscriptions to Docker's and Podman's events; ``docker_messages`` has the facts of the API."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor import clock
from sensor.sources.engines.docker_messages import (
    Malformed,
    decode_event,
    decode_list,
    events_target,
)
from sensor.sources.engines.http import Exchange
from sensor.sources.engines.session import TEXT_MAX, EngineLost, ListRefused, StreamCounts
from sensor.sources.lines import LineSplitter

if TYPE_CHECKING:
    from collections import deque

    from sensor.model.vocabulary import Witness
    from sensor.model.witness_records import EngineEvent

LINE_MAX = 1 << 20
"""Bytes of one event."""

LIST_MAX = 4 << 20
"""Bytes of one list; a container takes 1 to 3 KiB."""


class DockerSession:
    """One subscription to Docker's or Podman's events (a ``Session``).

    ``recent`` outlives the session: it holds the latest events, so that those which ``since``
    repeats are recognised.
    """

    def __init__(
        self, witness: Witness, counts: StreamCounts, recent: deque[tuple[int | None, str, str]]
    ) -> None:
        self._witness = witness
        self._counts = counts
        self._recent = recent
        self._lines = LineSplitter(LINE_MAX)
        self._path = ""
        self._stream: Exchange | None = None

    async def open(self, path: str, since_wall: int, /) -> None:
        """Subscribe; see ``Session``."""
        self._path = path
        self._stream = await Exchange.get(path, events_target(self._witness, since_wall))
        if self._stream.status != HTTPStatus.OK:
            body = await self._stream.body(TEXT_MAX) or b""
            text = body.decode("utf-8", "replace").strip()
            raise EngineLost(f"/events answered {self._stream.status}: {text[:200]}")
        self._stream.paced = True

    async def running(self) -> tuple[EngineEvent, ...]:
        """List what runs; see ``Session``."""
        answer = await Exchange.get(self._path, "/containers/json")
        try:
            body = await answer.body(LIST_MAX)
        finally:
            answer.close()
        if answer.status != HTTPStatus.OK or body is None:
            raise ListRefused(f"/containers/json answered {answer.status}")
        try:
            # Megabytes of JSON take longer than the loop may stand still.
            return await asyncio.to_thread(decode_list, body, self._witness, clock.boottime())
        except Malformed as error:
            raise ListRefused(str(error)) from error

    async def receive(self) -> tuple[EngineEvent, ...]:
        """Wait for events; see ``Session``."""
        data = await self._stream.chunk() if self._stream is not None else None
        if data is None:
            raise EngineLost("the engine ended the stream")
        time = clock.boottime()
        before = self._lines.oversized
        found = [event for line in self._lines.feed(data) for event in self._event(line, time)]
        self._counts.oversized += self._lines.oversized - before
        return tuple(found)

    def _event(self, line: bytes, time: int) -> tuple[EngineEvent, ...]:
        try:
            event = decode_event(line, self._witness, time)
        except Malformed:
            self._counts.malformed += 1
            return ()
        if event is None:
            self._counts.ignored += 1
            return ()
        key = (event.engine_wall, event.id, event.action)
        if key in self._recent:
            self._counts.repeated += 1
            return ()
        self._recent.append(key)
        return (event,)

    async def ping(self) -> None:
        """Ask for ``/_ping``; see ``Session``."""
        (await Exchange.get(self._path, "/_ping")).close()

    def close(self) -> None:
        """Hang up; see ``Session``."""
        if self._stream is not None:
            self._stream.close()

"""One HTTP/1.1 exchange over an engine's unix socket; h11 parses, asyncio moves the bytes.

Why h11: importing it costs a process 0.3 MiB (PSS, CPython 3.11, beside what the agent has loaded);
aiohttp 3.8 costs 8 MiB and http.client, which blocks a thread for each stream, 1.2 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from sensor.sources.engines.connection import connect
from sensor.sources.engines.pace import rest
from sensor.sources.engines.session import EngineLost

if TYPE_CHECKING:
    import asyncio

READ_BYTES = 65_536
"""Bytes taken from the socket at once; asyncio buffers at most twice as many."""


class Exchange:
    """A request and its answer on a connection of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.CLIENT)
        self._ahead: h11.Event | None = None
        self.status = 0
        self.paced = False
        """Whether the socket is looked at on the tick only."""

    @classmethod
    async def get(cls, path: str, target: str) -> Exchange:
        """Ask the engine at the unix socket ``path``; return once the answer's head is there.

        :raises EngineLost: the other end does not answer in HTTP, or hangs up.
        """
        reader, writer = await connect(path, READ_BYTES)
        exchange = cls(reader, writer)
        try:
            await exchange._ask(target)
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _ask(self, target: str) -> None:
        request = h11.Request(
            method="GET", target=target, headers=[("Host", "localhost"), ("User-Agent", "castoff")]
        )
        self._send(request)
        self._send(h11.EndOfMessage())
        await self._writer.drain()
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                self.status = event.status_code
                return
            if not isinstance(event, h11.InformationalResponse):
                raise EngineLost("the engine hung up instead of answering")

    def _send(self, event: h11.Request | h11.EndOfMessage) -> None:
        data = self._h11.send(event)
        if data:
            self._writer.write(data)

    async def _next(self) -> h11.Event:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                self._h11.receive_data(await self._reader.read(READ_BYTES))
                await rest(self._writer.transport, paced=self.paced)
        except h11.RemoteProtocolError as error:
            raise EngineLost(f"no HTTP: {error}") from error
        if isinstance(event, h11.Event):
            return event
        raise EngineLost("the engine does not follow HTTP")

    async def chunk(self) -> bytes | None:
        """Wait for the next piece of the body; None at its end. May be cancelled and repeated.

        Chunks that came together are one piece: an engine sends one for each event.
        """
        event = await self._next()
        if not isinstance(event, h11.Data):
            return None
        pieces = [bytes(event.data)]
        while isinstance(more := self._at_hand(), h11.Data):
            pieces.append(bytes(more.data))
        self._ahead = more
        return b"".join(pieces)

    def _at_hand(self) -> h11.Event | None:
        """Take another event of what was read already."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError:
            # It is raised again for who waits for the next.
            return None
        return event if isinstance(event, h11.Event) else None

    async def body(self, limit: int) -> bytes | None:
        """Return the whole body, or None where it is longer than ``limit`` bytes."""
        parts: list[bytes] = []
        size = 0
        while (part := await self.chunk()) is not None:
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        """Drop the connection without waiting for the engine."""
        self._writer.transport.abort()

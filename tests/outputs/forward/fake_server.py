"""A Forward server for the faults that no real one can be made to show."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack

Answer = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    _unpacker: Any = field(default_factory=lambda: msgpack.Unpacker(strict_map_key=False))

    async def message(self) -> list[Any]:
        """Return the client's next message; raises EOFError."""
        while True:
            for message in self._unpacker:
                return list(message)
            data = await self.reader.read(65536)
            if not data:
                raise EOFError
            self._unpacker.feed(data)

    def say(self, message: object) -> None:
        self.writer.write(msgpack.packb(message))

    def ack(self, message: list[Any]) -> None:
        self.say({"ack": message[2]["chunk"]})


def ids(message: list[Any]) -> list[str]:
    """Return the ids of the events in a chunk that is not compressed."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(message[1])
    return [record["id"] for _, record in unpacker]


@asynccontextmanager
async def fake_server(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection by ``answer`` and close it; yields the port."""
    tasks: set[asyncio.Task[None]] = set()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await answer(Peer(reader, writer, count))
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

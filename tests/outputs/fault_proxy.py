"""A TCP proxy before a Forward server, for what may happen to acknowledgements and connections.

Which message meets which fault is drawn from a seed; ``limit`` faults are made, then all passes.
Only what the server says is taken apart; what the client says is passed or cut in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

import msgpack

READ_SIZE = 16 * 1024


class Fault(Enum):
    """What may become of an acknowledgement, or of a stretch that the client sends."""

    DROP = auto()
    """It never hears."""
    DELAY = auto()
    """It and all after it wait."""
    DUPLICATE = auto()
    """It hears twice."""
    CUT = auto()
    """The connection ends instead."""
    GARBLE = auto()
    """Its bytes are changed, and the connection ends sooner or later."""
    WRONG = auto()
    """Another chunk is acknowledged instead."""
    TEAR = auto()
    """The connection ends in the middle of what the client sends."""


OF_ACKS = (Fault.DROP, Fault.DELAY, Fault.DUPLICATE, Fault.CUT, Fault.GARBLE, Fault.WRONG)


@dataclass(frozen=True)
class Misbehaviour:
    """``share`` of the acknowledgements meet one of ``faults``, ``limit`` at most in all.

    ``tear`` is the share of the client's stretches that are cut.
    """

    seed: int = 0
    share: float = 0.0
    tear: float = 0.0
    limit: int = 1 << 30
    delay: float = 0.2
    faults: tuple[Fault, ...] = OF_ACKS


class FaultProxy:
    """Listens on 127.0.0.1 and passes everything on to ``upstream``; a context manager."""

    def __init__(self, upstream: int, how: Misbehaviour) -> None:
        self.port = 0
        self.made: Counter[Fault] = Counter()
        self._upstream = upstream
        self._how = how
        self._dice = random.Random(how.seed)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._connection(reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio would report it as an error of a server that ends in good order
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            below, above = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            return
        ways = [
            asyncio.create_task(self._to_server(reader, above)),
            asyncio.create_task(self._to_client(below, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            above.transport.abort()

    def _fault(self, share: float, faults: tuple[Fault, ...]) -> Fault | None:
        if self.made.total() >= self._how.limit or self._dice.random() >= share:
            return None
        fault = self._dice.choice(faults)
        self.made[fault] += 1
        return fault

    async def _to_server(self, reader: asyncio.StreamReader, above: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_SIZE):
                if self._fault(self._how.tear, (Fault.TEAR,)):
                    above.write(data[: self._dice.randrange(len(data))])
                    await above.drain()
                    return
                above.write(data)
                await above.drain()

    async def _to_client(self, below: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unpacker = msgpack.Unpacker(raw=True)
        with contextlib.suppress(OSError):
            while data := await below.read(READ_SIZE):
                unpacker.feed(data)
                for message in unpacker:
                    # As old msgpack: what came as text goes on as text, random bytes or not.
                    packed = msgpack.packb(message, use_bin_type=False)
                    is_ack = isinstance(message, dict)
                    fault = self._fault(self._how.share, self._how.faults) if is_ack else None
                    if fault is Fault.CUT:
                        return
                    if fault is Fault.DELAY:
                        await asyncio.sleep(self._dice.random() * self._how.delay)
                    writer.write(self._changed(packed, fault))
                await writer.drain()

    def _changed(self, packed: bytes, fault: Fault | None) -> bytes:
        if fault is Fault.DROP:
            return b""
        if fault is Fault.DUPLICATE:
            return packed * 2
        if fault is Fault.WRONG:
            other = self._dice.randbytes(16).hex().encode()
            wrong: bytes = msgpack.packb({b"ack": other}, use_bin_type=False)
            return wrong
        if fault is Fault.GARBLE:
            place = self._dice.randrange(len(packed))
            return packed[:place] + self._dice.randbytes(4) + packed[place:]
        return packed

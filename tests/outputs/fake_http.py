"""A collector that speaks HTTP and shows the faults that real ones cannot be made to show.

It gives one answer after the other from a script, in which a function may decide by the request;
the last one is repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial

import h11

NO_CONTENT = 204


class Fault(Enum):
    """What a collector may do instead of answering."""

    HANG = auto()
    """It reads the request and says nothing."""
    CLOSE = auto()
    """It reads the request and closes."""
    DEAF = auto()
    """It reads nothing at all."""
    ENDLESS = auto()
    """It answers 200 with a body that does not end."""
    HINTS = auto()
    """It answers 102 again and again, and never anything else."""
    GARBAGE = auto()
    """It answers with something other than HTTP."""
    CUT = auto()
    """It closes in the middle of its answer's body."""
    EARLY = auto()
    """It answers 413 before it has read the body, and goes on reading."""
    HALF = auto()
    """It ends its side of the connection without an answer, and goes on reading."""
    DRIP = auto()
    """It answers a byte at a time, and never comes to the end of the head."""
    HEADS = auto()
    """It answers with header after header."""
    SWITCH = auto()
    """It answers 101, as if a change of protocol had been asked for."""
    RESET = auto()
    """It reads the request and resets the connection."""
    SLAM = auto()
    """It answers 413 before it has read the body, and cuts the connection."""


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    before: tuple[int, ...] = ()
    """Informational statuses, 1xx, that precede it."""
    and_close: bool = False
    unasked: bytes = b""
    """Bytes that follow the answer although no request asked for them."""


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        """The body, unpacked."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") else self.body


Step = Answer | Fault | Callable[[Received], Answer | Fault]


@dataclass
class FakeHttp:
    script: list[Step]
    port: int = 0
    scheme: str = "http"
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    def next_step(self, received: Received) -> Answer | Fault:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step(received) if callable(step) else step

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            await self.talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.converse(reader, writer):
                pass
        except h11.RemoteProtocolError:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request; return whether the connection goes on."""
        protocol = h11.Connection(h11.SERVER)
        if self.script[0] is Fault.DEAF:
            await asyncio.Event().wait()
        received = await self.receive(protocol, reader, writer)
        if received is None:
            return False
        self.received.append(received)
        step = self.next_step(received)
        if isinstance(step, Fault):
            if step in _DOING:
                await _DOING[step](writer)
            return False
        for status in step.before:
            hint = h11.InformationalResponse(status_code=status, headers=[])
            writer.write(protocol.send(hint) or b"")
        length = [] if step.status == NO_CONTENT else [("Content-Length", str(len(step.body)))]
        head = h11.Response(
            status_code=step.status,
            headers=[*step.headers, *length]
            + ([("Connection", "close")] if step.and_close else []),
        )
        writer.write(protocol.send(head) or b"")
        writer.write(protocol.send(h11.Data(data=step.body)) or b"")
        writer.write((protocol.send(h11.EndOfMessage()) or b"") + step.unasked)
        await writer.drain()
        return not step.and_close

    async def receive(
        self, protocol: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Received | None:
        """Return a request as a whole, None when the client or the script ends it before."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65536)
                if not data and request is None:
                    return None
                protocol.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
                if self.script[0] in {Fault.EARLY, Fault.SLAM}:
                    writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                if self.script[0] is Fault.SLAM:
                    await writer.drain()
                    writer.transport.abort()
                    return None
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        if request is None or not isinstance(event, h11.EndOfMessage):
            return None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        return Received(request.method.decode(), request.target.decode(), headers, bytes(body))


async def _hang(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _again_and_again(writer: asyncio.StreamWriter, first: bytes, more: bytes) -> None:
    await _say(writer, first)
    while True:
        await _say(writer, more)


async def _drip(writer: asyncio.StreamWriter) -> None:
    for byte in itertools.chain(b"HTTP/1.1 200 OK\r\nX: ", itertools.repeat(ord("x"))):
        await _say(writer, bytes((byte,)))
        await asyncio.sleep(0.02)


async def _half(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await asyncio.Event().wait()


async def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


_OK = b"HTTP/1.1 200 OK\r\n"
_DOING: dict[Fault, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    Fault.HANG: _hang,
    Fault.HALF: _half,
    Fault.DRIP: _drip,
    Fault.RESET: _reset,
    Fault.HINTS: partial(
        _again_and_again, first=b"", more=b"HTTP/1.1 102 Processing\r\n\r\n" * 100
    ),
    Fault.HEADS: partial(_again_and_again, first=_OK, more=b"X-More: %b\r\n" % (b"x" * 1000)),
    Fault.ENDLESS: partial(
        _again_and_again,
        first=_OK + b"Transfer-Encoding: chunked\r\n\r\n",
        more=b"4000\r\n" + b"x" * 0x4000 + b"\r\n",
    ),
    Fault.GARBAGE: partial(_say, data=b"\x1b[2J\x15\x03\x01 no \xff protocol\r\n\r\n"),
    Fault.CUT: partial(_say, data=_OK + b"Content-Length: 1000\r\n\r\n{"),
    Fault.SWITCH: partial(_say, data=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
}
"""What follows a request instead of an answer; nothing for the others."""


@contextlib.asynccontextmanager
async def fake_http(
    *script: Step, context: ssl.SSLContext | None = None
) -> AsyncIterator[FakeHttp]:
    """Run a collector on a free port of the loopback for as long as the block lasts."""
    fake = FakeHttp(list(script) or [Answer()], scheme="https" if context else "http")
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(fake.serve(reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close their sockets in the loop's next round

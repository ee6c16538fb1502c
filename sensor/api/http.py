"""One HTTP/1.1 conversation with a local client, over h11.

h11 (sans-I/O, packaged by the distributions) reads and writes the protocol; this module says what
the socket accepts of it: heads of at most ``HEAD_LIMIT`` bytes, bodies of ``BODY_LIMIT`` bytes for
``BODY_PATHS`` alone, and ``REQUESTS_LIMIT`` requests on a connection. aiohttp would do as well, but
importing its server brings its client too and costs a process 11 MiB of resident memory, a third of
what the whole agent may take; h11 costs 0.4 MiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

HEAD_LIMIT = 8 * 1024
READ_SIZE = 8 * 1024
BODY_PATHS = re.compile(r"/v1/(changes|alerts/[^/]+/(ack|suppress)|baseline/forget)")
"""What takes a body: with another method than POST it is read and not looked at."""
BODY_LIMIT = 16 * 1024
REQUESTS_LIMIT = 1000
"""Requests on one connection."""
REQUEST_SECONDS = 10.0
"""How long a client may take from one answer to the end of its next request's head."""
WRITE_SECONDS = 5.0
"""How long a client may take to read an answer."""
STALL_SECONDS = 30.0
"""How long a client may leave a stream unread before it is cut."""
LINGER_SECONDS = 0.2
LINGER_READS = 16

JSON = "application/json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request's head: ``path`` is the target without its query."""

    method: str
    path: str
    query: str
    body: bytes = b""
    """Of paths that fit ``BODY_PATHS`` only."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with a whole body; ``allow`` lists the methods of a 405."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON
    allow: str | None = None


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer that goes on: lines as they come, at most for ``seconds``.

    ``last_words`` gives the last line for a client that leaves the stream unread; ``close`` is
    called at the end, however it comes.
    """

    lines: AsyncGenerator[bytes, None]
    seconds: float
    last_words: Callable[[], bytes]
    close: Callable[[], None]


Answer = Response | StreamedAnswer


class Conversation:
    """Reads requests from one client and writes the answers, until either side ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        # Drained means that the kernel has it: nothing waits in this process after an answer.
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(
        self,
        answer: Callable[[HttpRequest], Awaitable[Answer]],
        refuse: Callable[[HTTPStatus, str], Response],
    ) -> None:
        """Answer each request with ``answer``; with ``refuse`` what the socket does not accept.

        Raises TimeoutError for a client that is too slow, ConnectionError for one that went away.
        """
        for _ in range(REQUESTS_LIMIT):
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    request = await self._next_request()
            except h11.RemoteProtocolError as error:
                status = HTTPStatus(error.error_status_hint)
                await self._turn_away(refuse(status, str(error)))
                return
            if request is None:
                return
            asked = _request(request)
            if _announces_body(request):
                takes = BODY_PATHS.fullmatch(asked.path) is not None
                body = await self._body() if takes else None
                if body is None:
                    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                    reason = f"at most {BODY_LIMIT} bytes" if takes else "requests have no body"
                    await self._turn_away(refuse(status, f"{reason} here"))
                    return
                asked = replace(asked, body=body)
            answered = await answer(asked)
            head_only = request.method == b"HEAD"
            if isinstance(answered, StreamedAnswer):
                try:
                    await self._stream(answered, head_only=head_only)
                finally:
                    answered.close()
                return
            await self._send(answered, head_only=head_only)
            if self._protocol.our_state is not h11.DONE:
                return
            if not asked.body and not await self._end_of_request():
                return
            self._protocol.start_next_cycle()

    async def refuse(self, response: Response) -> None:
        """Answer a client whose requests are not even looked at."""
        await self._turn_away(response)

    async def _turn_away(self, response: Response) -> None:
        """Answer, then read a little more: closing on unread bytes may cost the client the answer.

        (af_unix.c, unix_release_sock: the peer gets ECONNRESET.)
        """
        await self._send(response, head_only=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                for _ in range(LINGER_READS):
                    if not await self._reader.read(READ_SIZE):
                        return

    async def _next_request(self) -> h11.Request | None:
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await self._reader.read(READ_SIZE))
            elif isinstance(event, h11.Request):
                return event
            else:
                return None

    async def _body(self) -> bytes | None:
        """Return a request's body; None for one that is too long or does not end."""
        body = bytearray()
        async with asyncio.timeout(REQUEST_SECONDS):
            while True:
                event = self._protocol.next_event()
                if event is h11.NEED_DATA:
                    self._protocol.receive_data(await self._reader.read(READ_SIZE))
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > BODY_LIMIT:
                        return None
                else:
                    return bytes(body) if isinstance(event, h11.EndOfMessage) else None

    async def _end_of_request(self) -> bool:
        """Pass over the end of a request without a body; False when the client said it is done."""
        event = self._protocol.next_event()
        return isinstance(event, h11.EndOfMessage) and self._protocol.their_state is h11.DONE

    async def _send(self, response: Response, *, head_only: bool) -> None:
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
        ]
        if response.allow is not None:
            headers.append(("Allow", response.allow))
        if self._protocol.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            data = self._head(response.status, headers)
            if not head_only:
                data += self._protocol.send(h11.Data(data=response.body)) or b""
            data += self._protocol.send(h11.EndOfMessage()) or b""
            self._writer.write(data)
        async with asyncio.timeout(WRITE_SECONDS):
            await self._writer.drain()

    async def _stream(self, stream: StreamedAnswer, *, head_only: bool) -> None:
        """Send lines until they end, the time is over or the client goes away."""
        async with contextlib.aclosing(stream.lines):
            # A stream takes its connection with it: the client asks anew on another one.
            headers = [("Content-Type", NDJSON), ("Connection", "close")]
            self._writer.write(self._head(HTTPStatus.OK, headers))
            if not head_only:
                await self._pour(stream)
            self._writer.write(self._protocol.send(h11.EndOfMessage()) or b"")
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.drain()

    async def _pour(self, stream: StreamedAnswer) -> None:
        loop = asyncio.get_running_loop()
        gone = asyncio.create_task(self._until_gone())
        end = loop.time() + stream.seconds
        try:
            async with asyncio.timeout_at(end) as over:
                gone.add_done_callback(lambda _: _end_now(over, loop))
                async for lines in stream.lines:
                    await self._deliver(lines, stream)
        except TimeoutError:
            if loop.time() < end:
                raise
        finally:
            gone.cancel()

    async def _deliver(self, lines: bytes, stream: StreamedAnswer) -> None:
        self._writer.write(self._protocol.send(h11.Data(data=lines)) or b"")
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            self._writer.write(self._protocol.send(h11.Data(data=stream.last_words())) or b"")
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.drain()
            raise

    async def _until_gone(self) -> None:
        """Return when the client closes; what it says meanwhile is not listened to."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(READ_SIZE):
                pass

    def _head(self, status: HTTPStatus, headers: list[tuple[str, str]]) -> bytes:
        head = h11.Response(
            status_code=status.value,
            reason=status.phrase.encode("ascii"),
            headers=[*headers, ("Cache-Control", "no-store")],
        )
        return self._protocol.send(head) or b""


def _end_now(over: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # it is over already
        over.reschedule(loop.time())


def _announces_body(request: h11.Request) -> bool:
    for name, value in request.headers:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def _request(event: h11.Request) -> HttpRequest:
    target = event.target.decode("ascii", "replace")
    path, _, query = target.partition("?")
    return HttpRequest(event.method.decode("ascii"), path, query)

"""One connection of an HTTP/1.1 client: exchanges one after the other, over h11."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11

from sensor.outputs.http.message import HttpAnswer

if TYPE_CHECKING:
    from sensor.outputs.network.dial import NetworkStream

HEAD_LIMIT = 16 * 1024
READ_SIZE = 64 * 1024
INFORMATIONAL_LIMIT = 32
"""Answers 1xx to one request; a server that sends more of them never comes to the point."""
IDLE_SECONDS = 45.0
"""How long a connection is kept for the next request: most servers close after 60 s or more."""


class AnswerTooLong(Exception):
    """The answer's body goes beyond the limit."""


class HttpConnection:
    """One connection and the state of its protocol."""

    def __init__(self, stream: NetworkStream) -> None:
        self.used = False
        """It has carried an exchange before the present one."""
        self.answered = False
        """Bytes of the present answer came."""
        self._stream = stream
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._idle_since = 0.0
        self._silence: asyncio.Task[bytes] | None = None

    async def exchange(self, head: h11.Request, body: bytes, limit: int) -> HttpAnswer:
        """Raises OSError, h11.RemoteProtocolError and AnswerTooLong."""
        protocol = self._protocol
        if protocol.our_state is h11.DONE:
            protocol.start_next_cycle()
            self.used, self.answered = True, False
        self._stream.write(protocol.send(head) or b"")
        self._stream.write(protocol.send(h11.Data(data=body)) or b"")
        self._stream.write(protocol.send(h11.EndOfMessage()) or b"")
        response: h11.Response | None = None
        received = bytearray()
        informational = 0
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                await self._read()
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                received += event.data
                if len(received) > limit:
                    raise AnswerTooLong
            elif response is not None and isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.InformationalResponse):
                informational += 1
                if informational > INFORMATIONAL_LIMIT:
                    raise h11.RemoteProtocolError("no end of 1xx answers")
            else:
                raise ConnectionResetError("the server closed the connection without an answer")
        return HttpAnswer(
            response.status_code,
            tuple(
                (name.decode("ascii", "replace"), value.decode("latin-1"))
                for name, value in response.headers
            ),
            bytes(received),
        )

    async def _read(self) -> None:
        data = await self._stream.reader.read(READ_SIZE)
        if not data and not self.answered:
            raise ConnectionResetError("the server closed the connection without an answer")
        self.answered = True
        self._protocol.receive_data(data)

    def reusable(self) -> bool:
        """Whether both sides mean to go on, and neither request nor answer left anything over."""
        return (
            self._protocol.our_state is h11.DONE
            and self._protocol.their_state is h11.DONE
            and self._protocol.trailing_data == (b"", False)
        )

    def rest(self) -> None:
        """Begin to wait for the next request, and watch for the server's closing meanwhile."""
        self._idle_since = asyncio.get_running_loop().time()
        self._silence = asyncio.create_task(self._stream.reader.read(1))
        self._silence.add_done_callback(_heard)

    async def wake(self) -> bool:
        """Return whether the connection is still young, open, and was silent while it rested.

        What a server says unasked would be taken for the answer to the next request.
        """
        silence = self._silence
        if silence is None:
            return False
        silence.cancel()
        await asyncio.wait({silence})
        age = asyncio.get_running_loop().time() - self._idle_since
        return silence.cancelled() and age < IDLE_SECONDS

    def abort(self) -> None:
        """Close it without a further word."""
        if self._silence is not None:
            self._silence.cancel()
        self._stream.close()


def _heard(silence: asyncio.Task[bytes]) -> None:
    if not silence.cancelled():
        silence.exception()  # the connection is given up whatever it was

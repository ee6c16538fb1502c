"""gRPC calls over HTTP/2 on an engine's unix socket; h2 speaks HTTP/2, asyncio moves the bytes.

Protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. Uncompressed messages,
no deadlines on the wire: the caller has its own. Importing h2 costs a process 1.1 MiB (PSS,
CPython 3.11); grpcio costs 9 MiB and brings threads of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from sensor.sources.engines.connection import connect
from sensor.sources.engines.framing import MessageSplitter
from sensor.sources.engines.pace import rest
from sensor.sources.engines.session import EngineLost

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_MAX = 1 << 20
"""Bytes of one message of a stream."""

ANSWER_MAX = 4 << 20
"""Bytes of the answer to a single call (gRPC's own default limit)."""

WAITING_MAX = 1024
"""Messages of a stream that wait to be taken; what comes beyond is dropped and counted."""

UNSENT_MAX = 1 << 20
"""Bytes that wait for an engine which sends but does not read."""

_READ_BYTES = 65_536
_OK = b"0"


class GrpcCall:
    """One call: the messages that came for it, and how it ended."""

    def __init__(self, limit: int) -> None:
        self._splitter = MessageSplitter(limit)
        self._messages: list[bytes] = []
        self._changed = asyncio.Event()
        self._end: EngineLost | None = None
        self.status: bytes | None = None
        self.problem = b""
        self.dropped = 0

    @property
    def oversized(self) -> int:
        """Messages that were larger than the limit."""
        return self._splitter.oversized

    def feed(self, data: bytes) -> None:
        """Take data of this call; for the channel."""
        for message in self._splitter.feed(data):
            if len(self._messages) >= WAITING_MAX:
                self.dropped += 1
            else:
                self._messages.append(message)
        self._changed.set()

    def end(self, error: EngineLost) -> None:
        """Nothing more will come; for the channel."""
        if self._end is None:
            self._end = error
        self._changed.set()

    async def messages(self) -> list[bytes]:
        """Wait for a message and return all that are there; none once the call ended well.

        May be cancelled and repeated.

        :raises EngineLost: the call failed.
        """
        while not self._messages and self._end is None:
            self._changed.clear()
            await self._changed.wait()
        if self._messages or self.status == _OK or self._end is None:
            taken, self._messages = self._messages, []
            return taken
        raise self._end


class Channel:
    """One connection; any number of calls on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._calls: dict[int, GrpcCall] = {}
        self._lost: EngineLost | None = None
        self.paced = False
        """Whether the socket is looked at on the tick only."""
        self._h2.initiate_connection()
        self._flush()
        self._pump = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, path: str) -> Channel:
        """Connect to the unix socket at ``path``."""
        return cls(*await connect(path, _READ_BYTES))

    def call(
        self, method: str, request: bytes, namespace: str | None = None, limit: int = MESSAGE_MAX
    ) -> GrpcCall:
        """Begin a call of ``/package.Service/Method`` with one request message.

        ``namespace`` is containerd's, sent as metadata.

        :raises EngineLost: the connection is gone.
        """
        if self._lost is not None:
            raise self._lost
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "castoff"),
        ]
        if namespace is not None:
            headers.append(("containerd-namespace", namespace))
        call = GrpcCall(limit)
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers)
            framed = b"\0" + len(request).to_bytes(4, "big") + request
            self._h2.send_data(stream, framed, end_stream=True)
        except ProtocolError as error:
            raise EngineLost(f"no call possible: {error}") from error
        self._calls[stream] = call
        self._flush()
        return call

    async def ask(self, method: str, request: bytes = b"", namespace: str | None = None) -> bytes:
        """Make a call with a single answer and return it.

        :raises EngineLost: the call failed, or the answer is larger than ``ANSWER_MAX``.
        """
        call = self.call(method, request, namespace, ANSWER_MAX)
        try:
            answers = await call.messages()
        finally:
            self._give_up(call)
        if not answers:
            raise EngineLost(f"{method}: no answer of at most {ANSWER_MAX} bytes")
        return answers[0]

    def _give_up(self, call: GrpcCall) -> None:
        """Cancel the rest of a call, where there may be one."""
        for stream in [stream for stream, other in self._calls.items() if other is call]:
            del self._calls[stream]
            with suppress(ProtocolError, EngineLost):
                self._h2.reset_stream(stream, ErrorCodes.CANCEL)
                self._flush()

    async def _read(self) -> None:
        lost = EngineLost("the engine hung up")
        try:
            while data := await self._reader.read(_READ_BYTES):
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
                await rest(self._writer.transport, paced=self.paced)
        except EngineLost as error:
            lost = error
        except ProtocolError as error:
            lost = EngineLost(f"no HTTP/2: {error}")
        except OSError as error:
            lost = EngineLost(f"connection lost: {error.strerror}")
        self._lost = lost
        for call in self._calls.values():
            call.end(lost)
        self._calls.clear()

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.ConnectionTerminated):
            raise EngineLost(f"the engine closes the connection (error {event.error_code})")
        stream = getattr(event, "stream_id", None)
        call = self._calls.get(stream) if stream is not None else None
        if isinstance(event, events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if call is not None:
                call.feed(event.data)
        elif call is None or stream is None:
            return
        elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
            _read_status(call, event.headers)
        elif isinstance(event, events.StreamEnded | events.StreamReset):
            del self._calls[stream]
            status = (call.status or b"none").decode("ascii", "replace")
            problem = unquote(call.problem.decode("ascii", "replace"))[:200]
            call.end(EngineLost(f"gRPC status {status}: {problem or 'the call was ended'}"))

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)
            if self._writer.transport.get_write_buffer_size() > UNSENT_MAX:
                raise EngineLost("the engine does not read")

    def close(self) -> None:
        """Drop the connection without waiting for the engine."""
        self._pump.cancel()
        self._writer.transport.abort()


def _read_status(call: GrpcCall, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Take gRPC's status from trailers, or from headers where there is no message at all."""
    for name, value in headers:
        if name == b"grpc-status":
            call.status = value
        elif name == b"grpc-message":
            call.problem = value
        elif name == b":status" and value != b"200":
            call.problem = b"HTTP " + value

"""How syslog messages leave: a datagram each, or one after the other on a stream."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.network.dial import CONNECT_SECONDS, Unreachable
from sensor.outputs.network.lookup import LOOKUPS
from sensor.outputs.network.tls import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sensor.outputs.network.dial import Address, NetworkStream

WRITE_SIZE = 1 << 16
"""Bytes that are handed to a stream at once."""
PACE_MESSAGES, PACE_SECONDS = 32, 0.001
"""A pause after so many datagrams: a burst overruns the receiver's buffer."""
SETTLE_FIRST_SECONDS, SETTLE_MOST_SECONDS = 0.001, 0.05
"""Waits between two looks at what the peer's kernel has not acknowledged."""
SETTLE_LOOKS = 2
IGNORED_READ_SIZE = 4096


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a stream ended. After an orderly end the peer's kernel held nothing unread."""

    reason: str
    orderly: bool


class TooLong(Exception):
    """A message that this kind of socket does not carry."""


class DatagramChannel:
    """A connected datagram socket: UDP, or a unix one like ``/dev/log``."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._sent = 0
        self.since = time.monotonic()

    async def send(self, content: bytes) -> None:
        """Send one message. Raises TooLong and OSError."""
        self._sent += 1
        if self._sent % PACE_MESSAGES == 0:
            await asyncio.sleep(PACE_SECONDS)
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, content)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise TooLong(f"{len(content)} bytes: {failure(error)[0]}") from error
            raise

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class StreamChannel:
    """A stream that notices its end, and how it ended.

    ``on_loss`` is called once, when the peer ended it. Syslog servers say nothing: what they send
    is read, so that their end is seen, and thrown away.
    """

    def __init__(self, stream: NetworkStream, on_loss: Callable[[StreamEnd], None]) -> None:
        self._stream = stream
        self._on_loss = on_loss
        self.loss: StreamEnd | None = None
        self._listening = asyncio.create_task(self._listen())

    async def send(self, frames: Sequence[bytes]) -> None:
        """Send messages and wait until the peer's kernel has them. Raises OSError."""
        waiting = bytearray()
        for framed in frames:
            waiting += framed
            if len(waiting) >= WRITE_SIZE:
                await self._write(bytes(waiting))
                waiting.clear()
        await self._write(bytes(waiting))
        await self._settle()

    def close(self) -> None:
        """End the connection without waiting for what is under way."""
        self._listening.cancel()
        self._stream.close()

    async def _write(self, data: bytes) -> None:
        self._require_open()
        self._stream.write(data)
        await self._stream.drain()

    async def _settle(self) -> None:
        """Wait until nothing is unacknowledged, at ``SETTLE_LOOKS`` in a row.

        Between them the loop runs: what waited in this process for room in the kernel is there now.
        """
        pause, empty = SETTLE_FIRST_SECONDS, 0
        while empty < SETTLE_LOOKS:
            self._require_open()
            empty = 0 if self._stream.unsent else empty + 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, SETTLE_MOST_SECONDS)
        self._require_open()

    def _require_open(self) -> None:
        if self.loss is not None:
            raise ConnectionResetError(self.loss.reason)

    async def _listen(self) -> None:
        try:
            while await self._stream.reader.read(IGNORED_READ_SIZE):
                pass
            self.loss = StreamEnd("the server closed the connection", orderly=True)
        except OSError as error:
            self.loss = StreamEnd(failure(error)[0], orderly=False)
        self._on_loss(self.loss)


async def open_udp(address: Address) -> socket.socket:
    """Return a connected UDP socket. Raises Unreachable."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = (await LOOKUPS.addresses(address.host, address.port))[0]
    except TimeoutError as error:
        problem = f"{address}: the name is not looked up within {CONNECT_SECONDS:g} s"
        raise Unreachable(problem) from error
    except OSError as error:
        raise Unreachable(f"{address}: {error.strerror or error}") from error
    family = socket.AF_INET6 if ":" in found else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.connect((found, address.port))
    except OSError as error:
        opened.close()
        raise Unreachable(f"{address}: {failure(error)[0]}") from error
    return opened


def open_unix(path: Path) -> socket.socket | None:
    """Return a socket of datagrams, None when a stream listens there. Raises Unreachable."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.connect(str(path))
    except OSError as error:
        opened.close()
        if error.errno == errno.EPROTOTYPE:
            return None
        raise Unreachable(f"{path}: {failure(error)[0]}") from error
    return opened

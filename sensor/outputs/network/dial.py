"""Stream connections to collectors: TCP, TLS and unix sockets, each wait with a limit.

A :class:`NetworkStream` knows more than asyncio's: when every byte has left this process, and how
many of them the peer's kernel has not acknowledged.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import termios
from typing import TYPE_CHECKING, cast

from sensor.dataclass import dataclass
from sensor.outputs.network import tls
from sensor.outputs.network.lookup import LOOKUPS

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.outputs.network.tls import TlsSettings

CONNECT_SECONDS = 10.0
"""Name lookup, connection and TLS handshake together."""
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_EVERY_SECONDS, KEEPALIVE_PROBES = 30, 10, 3
"""A peer that vanished without a word is noticed after a minute of silence."""
UNACKNOWLEDGED_MILLISECONDS = 60_000
"""How long sent bytes may stay unacknowledged before the kernel gives the connection up."""
READ_LIMIT = 1 << 16
"""Bytes that are read ahead from a peer."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host name or IP address, and a TCP or UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Unreachable(Exception):
    """No connection came about. ``credentials``: one side does not trust the other."""

    def __init__(self, reason: str, *, credentials: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.credentials = credentials


class NetworkStream:
    """An open connection. ``reader`` is asyncio's; a write is begun and then awaited."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self._bottom = writer.transport

    async def secure(self, settings: TlsSettings, host: str) -> None:
        """Speak TLS from here on. Raises TlsUnusable and OSError (ssl.SSLError)."""
        context = await asyncio.to_thread(tls.context, settings)
        await self._writer.start_tls(context, server_hostname=settings.server_name or host)

    def write(self, data: bytes) -> None:
        """Take bytes to send; what the kernel has no room for waits in this process."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until there is room for more. Raises OSError."""
        await self._writer.drain()

    @property
    def unsent(self) -> int:
        """Bytes that the peer's kernel has not acknowledged, those in this process included.

        Zero says that they arrived at the other machine, and not that a program read them.
        Raises OSError. Source: SIOCOUTQ in tcp(7), unix_ioctl() in net/unix/af_unix.c.
        """
        waiting = self._bottom.get_write_buffer_size()
        if self._writer.transport is not self._bottom:
            waiting += self._writer.transport.get_write_buffer_size()
        queued = array.array("i", [0])
        open_socket = cast("socket.socket | None", self._bottom.get_extra_info("socket"))
        if open_socket is None or open_socket.fileno() < 0:
            raise ConnectionResetError("the connection is closed")
        fcntl.ioctl(open_socket.fileno(), termios.TIOCOUTQ, queued)
        return waiting + queued[0]

    def close(self) -> None:
        """End the connection without waiting for what is under way."""
        self._bottom.abort()


async def dial(
    address: Address, settings: TlsSettings | None = None, seconds: float = CONNECT_SECONDS
) -> NetworkStream:
    """Connect over TCP, and speak TLS when settings are given. Raises Unreachable.

    The addresses of a name are tried in the resolver's order, each for its share of the time.
    """
    stream: NetworkStream | None = None
    try:
        async with asyncio.timeout(seconds):
            stream = await _connected(address, seconds)
            if settings is not None:
                await stream.secure(settings, address.host)
    except BaseException as error:
        if stream is not None:
            stream.close()
            _explain_silence(error, str(address), seconds)
        _explain(error, str(address), seconds)
        raise
    return stream


async def _connected(address: Address, seconds: float) -> NetworkStream:
    """Connect to the first address of the host that answers. Raises OSError."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    found = await LOOKUPS.addresses(address.host, address.port)
    for left in range(len(found), 0, -1):
        try:
            async with asyncio.timeout((end - loop.time()) / left):
                reader, writer = await asyncio.open_connection(
                    found[-left], address.port, limit=READ_LIMIT
                )
        except (OSError, TimeoutError):
            if left == 1:
                raise
        else:
            _watch(writer)
            return NetworkStream(reader, writer)
    raise OSError(f"{address.host} has no address")


async def dial_unix(path: Path, seconds: float = CONNECT_SECONDS) -> NetworkStream:
    """Connect to a unix stream socket. Raises Unreachable."""
    try:
        async with asyncio.timeout(seconds):
            return NetworkStream(*await asyncio.open_unix_connection(path, limit=READ_LIMIT))
    except BaseException as error:
        _explain(error, str(path), seconds)
        raise


def _explain_silence(error: BaseException, peer: str, seconds: float) -> None:
    """Raise Unreachable for a server that accepts the connection and does not finish TLS."""
    if isinstance(error, ConnectionError):
        problem = f"{peer} ends the connection instead of TLS: does it speak TLS on this port?"
        raise Unreachable(problem) from error
    if isinstance(error, TimeoutError):
        problem = (
            f"{peer}: no TLS handshake within {seconds:g} s: "
            "it does not speak TLS on this port, or is overloaded"
        )
        raise Unreachable(problem) from error


def _explain(error: BaseException, peer: str, seconds: float) -> None:
    """Raise Unreachable for what keeps a connection from coming about; return for the rest."""
    if isinstance(error, TimeoutError) and not error.errno:
        raise Unreachable(f"{peer} does not answer within {seconds:g} s") from error
    if isinstance(error, socket.gaierror):
        raise Unreachable(f"{peer}: {error.strerror}") from error
    if isinstance(error, OSError):
        reason, credentials = tls.failure(error)
        raise Unreachable(f"{peer}: {reason}", credentials=credentials) from error
    if isinstance(error, tls.TlsUnusable):
        raise Unreachable(str(error), credentials=True) from error
    if isinstance(error, UnicodeError):
        # The idna codec, before any lookup: a label is empty or too long.
        raise Unreachable(f"{peer} is not a host name", credentials=True) from error


def _watch(writer: asyncio.StreamWriter) -> None:
    """Have the kernel notice a peer that is gone without a word (tcp(7))."""
    opened = cast("socket.socket", writer.get_extra_info("socket"))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS),
        (socket.TCP_KEEPINTVL, KEEPALIVE_EVERY_SECONDS),
        (socket.TCP_KEEPCNT, KEEPALIVE_PROBES),
        (socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS),
    ):
        opened.setsockopt(socket.IPPROTO_TCP, option, value)

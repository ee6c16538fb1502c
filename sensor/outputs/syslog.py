"""Syslog, RFC 5424: over a unix socket, UDP, TCP or TLS.

Syslog has no acknowledgements. What ``Delivered`` means here:

- datagrams: the kernel took them. UDP loses without a word;
- streams: the peer's kernel acknowledged every byte. Whether a program read them is not known, and
  what it had not read is lost when it dies. So the last messages are kept (``REPLAY_BYTES``) and
  sent again on the next connection, those of the last seconds only when the end was an orderly one.
  Who receives them twice finds the same id in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.outputs.delivery import (
    BatchLimits,
    Connection,
    Delivered,
    Rejection,
    Retry,
)
from sensor.outputs.dial import Address, Unreachable, dial, dial_unix, text_of
from sensor.outputs.rfc5424 import Framing, Header, Unreadable, frame, message
from sensor.outputs.syslog_channel import DatagramChannel, Loss, StreamChannel, TooLong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.tls import TlsSettings

SEND_SECONDS = 30.0
"""To connect, send a batch and see it acknowledged by the peer's kernel."""
REPLAY_BYTES = 1 << 20
"""The newest messages that are kept to be sent again after a connection was lost."""
REPLAY_ORDERLY_SECONDS = 10.0
"""Of them, those younger than this go again after the server closed in good order."""
RESOLVE_SECONDS = 300.0
"""How long a UDP socket is kept: its name may have another address by then."""
MEND_FIRST_SECONDS, MEND_MOST_SECONDS, MEND_ATTEMPTS = 1.0, 60.0, 10
"""Waits before the connection is made anew for the sake of messages to be sent again."""
DATAGRAM_BYTES = 8192
STREAM_BYTES = 1 << 16
"""Largest messages by default. What a receiver takes is its own setting: rsyslog's is 8 KiB."""


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """A unix socket, of datagrams or else of a stream."""

    path: Path = Path("/dev/log")


@dataclass(frozen=True, slots=True)
class UdpTarget:
    """RFC 5426."""

    address: Address


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """RFC 6587, and RFC 5425 when there are settings of TLS."""

    address: Address
    tls: TlsSettings | None = None


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """Where to, and how messages look. ``max_bytes`` None is the default of the kind of socket."""

    target: UnixTarget | UdpTarget | TcpTarget = UnixTarget()
    header: Header = field(default_factory=Header)
    framing: Framing = Framing.OCTET_COUNTING
    max_bytes: int | None = None


@dataclass(slots=True)
class _Tail:
    """The newest messages of a stream, oldest first, with the moment at which each was sent."""

    kept: deque[tuple[float, bytes]] = field(default_factory=deque)
    size: int = 0

    def add(self, frames: list[bytes], now: float) -> None:
        for framed in frames:
            self.kept.append((now, framed))
            self.size += len(framed)
        while self.size > REPLAY_BYTES:
            self.size -= len(self.kept.popleft()[1])

    def keep_since(self, moment: float) -> None:
        while self.kept and self.kept[0][0] < moment:
            self.size -= len(self.kept.popleft()[1])


class SyslogTransport:
    """Sends batches as syslog messages. ``replayed`` counts messages that went a second time."""

    def __init__(self, settings: SyslogSettings, form: Format) -> None:
        self._settings = settings
        self._format = form
        self._channel: DatagramChannel | StreamChannel | None = None
        self._tail = _Tail()
        self._turn = asyncio.Lock()
        self._mending: asyncio.Task[None] | None = None
        self.replayed = 0

    @property
    def window(self) -> int:
        """One: messages follow each other."""
        return 1

    @property
    def limits(self) -> BatchLimits:
        """The common ones."""
        return BatchLimits()

    @property
    def connection(self) -> Connection:
        """Where messages go. A datagram socket is as good as connected once it is open."""
        channel = self._channel
        lost = isinstance(channel, StreamChannel) and channel.loss is not None
        return Connection(_peer(self._settings), channel is not None and not lost)

    async def deliver(self, batch: Batch) -> Outcome:
        """Send a batch: see the module for what Delivered means."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._turn:
                return await self._deliver(batch)
        except Unreachable as error:
            return Retry(error.reason, credentials=error.credentials)
        except TimeoutError:
            self._drop()
            return Retry(f"{_peer(self._settings)} did not take the batch in {SEND_SECONDS:g} s")
        except OSError as error:
            self._drop()
            return Retry(f"{_peer(self._settings)}: {text_of(error)}")

    async def close(self) -> None:
        """Close what is open."""
        if self._mending is not None:
            self._mending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._mending
            self._mending = None
        self._drop()

    async def _deliver(self, batch: Batch) -> Outcome:
        channel = await self._open()
        rejected: list[Rejection] = []
        if isinstance(channel, DatagramChannel):
            for sequence, content in self._messages(batch, DATAGRAM_BYTES, rejected):
                try:
                    await channel.send(content)
                except TooLong as error:
                    rejected.append(Rejection(sequence, str(error)))
        else:
            framing = self._settings.framing
            frames = [
                frame(framing, content)
                for _, content in self._messages(batch, STREAM_BYTES, rejected)
            ]
            await channel.send(frames)
            self._tail.add(frames, time.monotonic())
        return Delivered(tuple(rejected))

    def _messages(
        self, batch: Batch, max_bytes: int, rejected: list[Rejection]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield sequence and message of each record that can be one."""
        limit = self._settings.max_bytes or max_bytes
        for record in batch.records:
            try:
                content = message(self._settings.header, record, self._format.line(record))
            except Unreadable as error:
                rejected.append(Rejection(record.sequence, str(error)))
                continue
            if len(content) > limit:
                reason = f"a message of {len(content)} bytes, more than the {limit} of max_bytes"
                rejected.append(Rejection(record.sequence, reason))
                continue
            yield record.sequence, content

    async def _open(self) -> DatagramChannel | StreamChannel:
        """Return the open channel, or open one and send again what may have been lost before."""
        if self._channel is not None and self._is_spent(self._channel):
            self._drop()
        if self._channel is None:
            self._channel = await self._connect()
            if isinstance(self._channel, StreamChannel) and self._tail.kept:
                await self._channel.send([framed for _, framed in self._tail.kept])
                self.replayed += len(self._tail.kept)
        return self._channel

    async def _connect(self) -> DatagramChannel | StreamChannel:
        target = self._settings.target
        if isinstance(target, UdpTarget):
            return DatagramChannel(await _udp(target.address))
        if isinstance(target, TcpTarget):
            return StreamChannel(await dial(target.address, target.tls), self._mend_after)
        opened = _unix(target.path)
        if opened is not None:
            return DatagramChannel(opened)
        return StreamChannel(await dial_unix(target.path), self._mend_after)

    def _is_spent(self, channel: DatagramChannel | StreamChannel) -> bool:
        if isinstance(channel, StreamChannel):
            return channel.loss is not None
        old = time.monotonic() - channel.since > RESOLVE_SECONDS
        return old and isinstance(self._settings.target, UdpTarget)

    def _drop(self) -> None:
        """Close the channel, and keep of the last messages what may be lost with it."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        if isinstance(channel, StreamChannel) and channel.loss is not None and channel.loss.orderly:
            self._tail.keep_since(time.monotonic() - REPLAY_ORDERLY_SECONDS)
        channel.close()

    def _mend_after(self, _: Loss) -> None:
        """Have lost messages sent again even though no batch comes."""
        if self._tail.kept and (self._mending is None or self._mending.done()):
            self._mending = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        pause = MEND_FIRST_SECONDS
        for _ in range(MEND_ATTEMPTS):
            await asyncio.sleep(pause)
            pause = min(pause * 2, MEND_MOST_SECONDS)
            try:
                async with asyncio.timeout(SEND_SECONDS), self._turn:
                    await self._open()
            except (Unreachable, OSError):
                # The next attempt, or the next batch, finds out again and says why.
                self._drop()
            else:
                return


def _peer(settings: SyslogSettings) -> str:
    target = settings.target
    if isinstance(target, UnixTarget):
        return str(target.path)
    if isinstance(target, UdpTarget):
        return f"udp://{target.address}"
    return f"{'tls' if target.tls else 'tcp'}://{target.address}"


async def _udp(address: Address) -> socket.socket:
    """Return a connected UDP socket. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable(f"{address}: {error}") from error
    family, kind, protocol, _, place = found[0]
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        opened.connect(place)
    except OSError as error:
        opened.close()
        raise Unreachable(f"{address}: {text_of(error)}") from error
    return opened


def _unix(path: Path) -> socket.socket | None:
    """Return a socket of datagrams, None when a stream listens there. Raises Unreachable."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.connect(str(path))
    except OSError as error:
        opened.close()
        if error.errno == errno.EPROTOTYPE:
            return None
        raise Unreachable(f"{path}: {text_of(error)}") from error
    return opened

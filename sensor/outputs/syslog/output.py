"""Syslog, RFC 5424: over a unix socket, UDP, TCP or TLS.

Syslog has no acknowledgements. What ``Delivered`` means here:

- UDP: the kernel took them. It loses without a word;
- unix datagrams: they are in the receiver's queue. Those of the last seconds are kept, as below;
- streams: the peer's kernel acknowledged every byte. Whether a program read them is not known, and
  what it had not read is lost when it dies. So the last messages are kept (``REPLAY_BYTES``) and
  sent again on the next connection, those of the last seconds only when the end was an orderly one.
  Who receives them twice finds the same id in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.delivery import (
    BatchLimits,
    ConnectionStatus,
    Delivered,
    Rejection,
    Retry,
)
from sensor.outputs.lines import lines_of
from sensor.outputs.network.dial import Unreachable, dial, dial_unix
from sensor.outputs.network.tls import TlsSettings, failure
from sensor.outputs.registry import OutputKind
from sensor.outputs.syslog.channel import (
    DatagramChannel,
    StreamChannel,
    StreamEnd,
    TooLong,
    open_udp,
    open_unix,
)
from sensor.outputs.syslog.rfc5424 import SyslogHeader, Unreadable, frame, message
from sensor.outputs.syslog.settings import Over, SyslogSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.registry import Surroundings

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
        self._header = SyslogHeader(settings.facility, settings.enterprise)
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
    def connection(self) -> ConnectionStatus:
        """Where messages go. A datagram socket is as good as connected once it is open."""
        channel = self._channel
        lost = isinstance(channel, StreamChannel) and channel.loss is not None
        return ConnectionStatus(self._settings.peer, channel is not None and not lost)

    async def deliver(self, batch: Batch) -> Outcome:
        """Send a batch: see the module for what Delivered means."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._turn:
                return await self._deliver(batch)
        except Unreachable as error:
            return Retry(error.reason, credentials=error.credentials)
        except TimeoutError:
            self._drop()
            return Retry(f"{self._settings.peer} did not take the batch in {SEND_SECONDS:g} s")
        except OSError as error:
            self._drop()
            return Retry(f"{self._settings.peer}: {failure(error)[0]}")

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
        sent: list[bytes] = []
        if isinstance(channel, DatagramChannel):
            for sequence, content in self._messages(batch, rejected):
                try:
                    await channel.send(content)
                except TooLong as error:
                    rejected.append(Rejection(sequence, str(error), local=True))
                else:
                    sent.append(content)
            if self._settings.over is Over.UNIX:
                self._tail.add(sent, time.monotonic())
        else:
            framing = self._settings.framing
            frames = [frame(framing, content) for _, content in self._messages(batch, rejected)]
            await channel.send(frames)
            self._tail.add(frames, time.monotonic())
        return Delivered(tuple(rejected))

    def _messages(self, batch: Batch, rejected: list[Rejection]) -> Iterator[tuple[int, bytes]]:
        """Yield sequence and message of each record that can be one."""
        limit = self._settings.largest
        lines = lines_of(batch, self._format)
        rejected += lines.damaged
        for line in lines.lines:
            record = line.record
            try:
                content = message(self._header, record, line.text)
            except Unreadable as error:
                rejected.append(Rejection(record.sequence, str(error), local=True))
                continue
            if len(content) > limit:
                reason = f"a message of {len(content)} bytes, more than the {limit} of max_bytes"
                rejected.append(Rejection(record.sequence, reason, local=True))
                continue
            yield record.sequence, content

    async def _open(self) -> DatagramChannel | StreamChannel:
        """Return the open channel, or open one and send again what may have been lost before."""
        if self._channel is not None and self._is_spent(self._channel):
            self._drop()
        if self._channel is None:
            self._channel = await self._connect()
            await self._replay(self._channel)
        return self._channel

    async def _replay(self, channel: DatagramChannel | StreamChannel) -> None:
        again = [content for _, content in self._tail.kept]
        if isinstance(channel, StreamChannel):
            if again:
                await channel.send(again)
        else:
            for content in again:
                await channel.send(content)
        self.replayed += len(again)

    async def _connect(self) -> DatagramChannel | StreamChannel:
        settings = self._settings
        if settings.over is Over.UDP:
            return DatagramChannel(await open_udp(settings.address))
        if settings.over is not Over.UNIX:
            secure = (settings.tls or TlsSettings()) if settings.over is Over.TLS else None
            return StreamChannel(await dial(settings.address, secure), self._mend_after)
        opened = open_unix(settings.path)
        if opened is not None:
            return DatagramChannel(opened)
        return StreamChannel(await dial_unix(settings.path), self._mend_after)

    def _is_spent(self, channel: DatagramChannel | StreamChannel) -> bool:
        if isinstance(channel, StreamChannel):
            return channel.loss is not None
        old = time.monotonic() - channel.since > RESOLVE_SECONDS
        return old and self._settings.over is Over.UDP

    def _drop(self) -> None:
        """Close the channel, and keep of the last messages what may be lost with it.

        A unix socket of datagrams holds no more unread than a few, which are read at once.
        """
        channel, self._channel = self._channel, None
        if channel is None:
            return
        stream_torn = isinstance(channel, StreamChannel) and not (
            channel.loss is not None and channel.loss.orderly
        )
        if not stream_torn:
            self._tail.keep_since(time.monotonic() - REPLAY_ORDERLY_SECONDS)
        channel.close()

    def _mend_after(self, _: StreamEnd) -> None:
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


def _make(settings: SyslogSettings, form: Format, _: Surroundings) -> SyslogTransport:
    return SyslogTransport(settings, form)


OUTPUT = OutputKind(SyslogSettings, _make)

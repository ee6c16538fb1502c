"""One connection to one server, and the chunks under way on it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from sensor.outputs.forward.protocol import Acked, Broken, Established, ForwardState, Protocol, Send
from sensor.outputs.network import tls
from sensor.outputs.network.dial import Unreachable, dial

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.forward.chunk import Chunk
    from sensor.outputs.forward.handshake import Credentials
    from sensor.outputs.network.dial import Address, NetworkStream
    from sensor.outputs.network.tls import TlsSettings

READ_SIZE = 64 * 1024


class ForwardSession:
    """An open connection; :func:`open_session` makes it.

    Chunks may be sent at once, one after the other, and are acknowledged in any order. When the
    connection ends, for whatever reason, all that are under way end with it.
    """

    def __init__(
        self,
        address: Address,
        stream: NetworkStream,
        protocol: Protocol,
        on_end: Callable[[ForwardSession], None],
    ) -> None:
        self.address = address
        self.broken: Broken | None = None
        """Why it is of no use any more."""
        self.lost: tuple[bytes, ...] = ()
        """The chunks that were under way when it broke, in the order of their sending."""
        self._stream = stream
        self._protocol = protocol
        self._on_end = on_end
        self._flying: dict[bytes, asyncio.Future[None]] = {}
        self._established = asyncio.get_running_loop().create_future()
        self._retired = False
        if protocol.state is ForwardState.OPEN:
            self._established.set_result(None)
        self._listening = asyncio.create_task(self._listen())

    @property
    def ignored(self) -> int:
        """Messages of the server that had no meaning."""
        return self._protocol.ignored

    @property
    def keeps(self) -> bool:
        """Whether it carries more than one chunk: Fluentd's ``deny_keepalive`` ends it."""
        return self._protocol.keeps

    @property
    def flying(self) -> int:
        """Chunks under way."""
        return len(self._flying)

    async def established(self) -> None:
        """Wait for the end of the handshake. Raises Broken."""
        await asyncio.shield(self._established)

    def send(self, chunk: Chunk) -> asyncio.Future[None]:
        """Send a chunk; what comes back is done when it is acknowledged, or raises Broken."""
        answer = asyncio.get_running_loop().create_future()
        if self.broken is not None:
            answer.set_exception(self.broken)
            return answer
        self._flying[chunk.id] = answer
        self._protocol.expect(chunk.id)
        self._stream.write(chunk.data)
        return answer

    async def drain(self) -> None:
        """Wait until the server has read enough for more to be sent."""
        # What goes wrong with the connection is noticed where it is read.
        with contextlib.suppress(OSError):
            await self._stream.drain()

    def retire(self) -> None:
        """Close as soon as nothing is under way: another connection has taken its place."""
        self._retired = True
        if not self._flying:
            self.abandon(Broken("another server has taken over"))

    def abandon(self, why: Broken) -> None:
        """Close now."""
        self._listening.cancel()
        self._end(why)

    async def closed(self) -> None:
        """Wait until nothing of it is left, after :meth:`abandon`."""
        await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        try:
            while data := await self._stream.reader.read(READ_SIZE):
                for event in self._protocol.receive(data):
                    if isinstance(event, Send):
                        self._stream.write(event.data)
                    elif isinstance(event, Established):
                        self._established.set_result(None)
                    elif isinstance(event, Acked):
                        self._acked(event.chunk)
        except Broken as broken:
            self._end(broken)
        except OSError as error:
            ended = self._protocol.end()
            reason, distrust = tls.failure(error)
            self._end(
                Broken(f"{ended.reason} ({reason})", credentials=ended.credentials or distrust)
            )
        else:
            self._end(self._protocol.end())
        finally:
            # Whatever happened, answers that are not read must leave no sender waiting.
            self._end(Broken("the connection is not read any more"))

    def _acked(self, chunk: bytes) -> None:
        answer = self._flying.pop(chunk, None)
        if answer is not None and not answer.done():
            answer.set_result(None)
        if self._retired and not self._flying:
            self.abandon(Broken("another server has taken over"))

    def _end(self, why: Broken) -> None:
        if self.broken is not None:
            return
        self.broken = Broken(f"{self.address}: {why.reason}", credentials=why.credentials)
        self._stream.close()
        self.lost = tuple(self._flying)
        flying, self._flying = self._flying, {}
        for answer in (self._established, *flying.values()):
            if not answer.done():
                answer.set_exception(self.broken)
                # A waiting sender gets it; a cancelled one does not wait any more.
                answer.exception()
        self._on_end(self)


async def open_session(
    address: Address,
    secure: TlsSettings | None,
    credentials: Credentials | None,
    seconds: float,
    on_end: Callable[[ForwardSession], None],
) -> ForwardSession:
    """Connect and shake hands, each within ``seconds``. Raises Unreachable."""
    stream = await dial(address, secure, seconds)
    session = ForwardSession(address, stream, Protocol(credentials), on_end)
    try:
        async with asyncio.timeout(seconds):
            await session.established()
    except Broken as broken:
        raise Unreachable(broken.reason, credentials=broken.credentials) from broken
    except TimeoutError as error:
        reason = f"{address}: no handshake within {seconds:g} s: does the server ask for a key?"
        session.abandon(Broken(reason))
        raise Unreachable(reason) from error
    except asyncio.CancelledError:
        session.abandon(Broken("not wanted any more"))
        raise
    return session

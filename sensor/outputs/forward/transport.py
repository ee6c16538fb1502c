"""The transport of Forward: sends chunks in order, keeps a connection, fails over to others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.outputs.delivery import Batch, BatchLimits, ConnectionStatus, Delivered, Refused, Retry
from sensor.outputs.forward.chunk import Unencodable, id_of
from sensor.outputs.forward.encoder import Encoder
from sensor.outputs.forward.protocol import Broken
from sensor.outputs.forward.servers import Servers
from sensor.outputs.forward.session import ForwardSession, open_session
from sensor.outputs.forward.suspects import Suspects
from sensor.outputs.network.dial import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sensor.outputs.delivery import Outcome
    from sensor.outputs.forward.chunk import Chunk, Encoding
    from sensor.outputs.forward.handshake import Credentials
    from sensor.outputs.network.dial import Address
    from sensor.outputs.network.tls import TlsSettings

PROBE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits of waits in seconds.

    To connect and again to shake hands; for an acknowledgement; before a server that failed is
    preferred again.
    """

    connect: float
    acknowledgement: float
    rest: float


@dataclass(frozen=True, slots=True)
class Login:
    """How to be let in: both are None for a plain server."""

    tls: TlsSettings | None = None
    credentials: Credentials | None = None


class Forward:
    """A :class:`~sensor.outputs.delivery.Transport`."""

    limits = BatchLimits()

    def __init__(
        self,
        addresses: tuple[Address, ...],
        access: Login,
        encoding: Encoding,
        timing: Timing,
        window: int,
    ) -> None:
        self.window = window
        self._access = access
        self._timing = timing
        self._servers = Servers(addresses, timing.rest)
        self._suspects = Suspects()
        self._encoder = Encoder(encoding)
        self._turn = asyncio.Lock()
        self._session: ForwardSession | None = None
        self._retired: set[ForwardSession] = set()
        self._returning: asyncio.Task[None] | None = None
        self._distrust: list[str] = []
        """Why servers did not know us, since the last outcome."""

    @property
    def connection(self) -> ConnectionStatus:
        """The server in use."""
        session = self._session
        return ConnectionStatus(
            None if session is None else str(session.address), session is not None
        )

    async def deliver(self, batch: Batch) -> Outcome:
        """Send the batch as one chunk and wait for its acknowledgement."""
        encoding = self._encoder.begin(batch)
        try:
            async with self._turn:
                chunk = await encoding
                session = await self._connected()
                if self._suspects.wants_probe(chunk.id):
                    await self._probe(session, chunk)
                    if not session.keeps:
                        session = await self._connected()
                answer = session.send(chunk)
                # However long that takes, the acknowledgement has its own time.
                with contextlib.suppress(Broken):
                    await self._in_time(session, session.drain())
                if not session.keeps:
                    await self._only(session, answer)
            await self._in_time(session, answer)
        except Unencodable as error:
            return Refused(str(error), local=True)
        except Unreachable as error:
            distrusted = len(self._distrusts())
            return Retry(error.reason, credentials=error.credentials, distrusted=distrusted)
        except Broken as broken:
            return self._lost(batch, broken)
        finally:
            encoding.cancel()
        self._suspects.delivered(chunk.id)
        self._servers.works(session.address)
        distrusts = self._distrusts()
        if not distrusts:
            return Delivered()
        warning = f"delivered to {session.address}, but: {'; '.join(dict.fromkeys(distrusts))}"
        return Delivered(warning=warning, distrusted=len(distrusts))

    async def close(self) -> None:
        """Close all connections. What is under way is not waited for."""
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.wait([self._returning])
        for session in (self._session, *self._retired):
            if session is not None:
                session.abandon(Broken("the output is closed"))
                await session.closed()
        self._encoder.close()

    async def _in_time(self, session: ForwardSession, waiting: Awaitable[None]) -> None:
        """Wait for something of a session, which is closed when that takes too long."""
        limit = self._timing.acknowledgement
        try:
            async with asyncio.timeout(limit):
                await waiting
        except TimeoutError:
            broken = Broken(f"{session.address}: no acknowledgement within {limit:g} s")
            session.abandon(broken)
            raise broken from None

    async def _only(self, session: ForwardSession, answer: Awaitable[None]) -> None:
        """Wait for the one answer of a connection that the server closes then. Raises Broken."""
        await self._in_time(session, answer)
        session.abandon(Broken("the server keeps no connection"))

    async def _probe(self, session: ForwardSession, suspect: Chunk) -> None:
        """See that the server takes a chunk without events. Raises Broken."""
        probe = Batch(os.urandom(PROBE_ID_BYTES), ())
        try:
            answer = session.send(await self._encoder.begin(probe))
            await (self._in_time if session.keeps else self._only)(session, answer)
        except Broken:
            self._suspects.lost(suspect.id)
            raise
        self._suspects.probed(suspect.id)

    def _lost(self, batch: Batch, broken: Broken) -> Outcome:
        losses = self._suspects.refused(id_of(batch), len(batch.records))
        if losses:
            return Refused(f"{losses} connections ended when it was sent: {broken.reason}")
        distrusted = len(self._distrusts())
        return Retry(broken.reason, credentials=broken.credentials, distrusted=distrusted)

    def _distrusts(self) -> list[str]:
        """Return why servers did not know us since this was asked last."""
        found, self._distrust = self._distrust, []
        return found

    # ---------------------------------------------------------------------------- connections

    async def _connected(self) -> ForwardSession:
        """Return the session to use, and make one where there is none. Raises Unreachable."""
        session = self._session
        if session is None:
            session = self._session = await self._first_that_works()
        elif self._returning is None:
            better = self._servers.better(session.address, time.monotonic())
            if better is not None:
                self._returning = asyncio.create_task(self._return_to(better))
        return session

    async def _first_that_works(self) -> ForwardSession:
        problems = []
        for address in self._servers.order(time.monotonic()):
            try:
                return await self._open(address)
            except Unreachable as error:
                problems.append(error)
        raise Unreachable(
            "; ".join(problem.reason for problem in problems),
            credentials=all(problem.credentials for problem in problems),
        )

    async def _return_to(self, address: Address) -> None:
        """Move to a server that is preferred, if it works again."""
        try:
            session = await self._open(address)
        except Unreachable:
            return
        finally:
            self._returning = None
        before, self._session = self._session, session
        if before is not None:
            self._retired.add(before)
            before.retire()

    async def _open(self, address: Address) -> ForwardSession:
        try:
            return await open_session(
                address,
                self._access.tls,
                self._access.credentials,
                self._timing.connect,
                self._ended,
            )
        except Unreachable as error:
            self._servers.failed(address, time.monotonic())
            if error.credentials:
                self._distrust.append(error.reason)
            raise

    def _ended(self, session: ForwardSession) -> None:
        """A session ended; with chunks under way its server is left alone for a while."""
        if session.lost:
            self._servers.failed(session.address, time.monotonic())
            self._suspects.lost(session.lost[0])
        self._retired.discard(session)
        if self._session is session:
            self._session = None

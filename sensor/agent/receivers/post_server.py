"""An HTTPS server that takes posts and answers each when its content is durable.

Clients of this kind (API servers, SNS, Event Grid, Pub/Sub, EventBridge) try again until they are
answered with 2xx, so that an answer means: written. Everything is bounded: connections, heads,
bodies, the time of a request and the wait for the disk.

=============  =================================================================
answer         when
=============  =================================================================
2xx            the content is durable
400            the body cannot be read
401, 403       the sender does not prove who it is, or may not send here
404            another path
405, 411, 413  another method; no length; a body over ``BODY_LIMIT``
408            the request did not come whole within ``REQUEST_SECONDS``
503            the disk did not take it within ``DURABLE_SECONDS``, or too many wait
=============  =================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import field
from typing import TYPE_CHECKING

import h11

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.outputs.network.openssl import ssl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

BODY_LIMIT = 32 * 1024 * 1024
"""Bytes of one batch: 400 events of 80 KiB."""
HEAD_LIMIT = 16 * 1024
CONNECTIONS_LIMIT = 32
"""Connections at once: each may hold a body. More wait in the kernel's queue, then are refused."""
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 120.0
"""How long a connection may wait for its next request."""
DURABLE_SECONDS = 10.0
PIECE = 1 << 16
log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where a server listens, as whom, and whose clients it takes."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path | None = None
    """The authority of the clients' certificates; None where clients prove themselves otherwise."""
    section: str = "webhook"
    """The section of the configuration, for errors."""

    def context(self) -> ssl.SSLContext:
        """Return the TLS context; raises :class:`ConfigError` for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        files = {"certificate": self.certificate, "key": self.key, "client_ca": self.client_ca}
        for key, path in files.items():
            if path is not None and not path.is_file():
                problem = f"{self.section}.{key}: {path} is not a file"
                raise ConfigError(problem, "Name a PEM file that the agent may read.")
        try:
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            names = ("certificate", "key", "client_ca")[: 3 if self.client_ca else 2]
            raise ConfigError(
                f"{self.section}: the certificates cannot be used: {error}",
                f"Check {' and '.join(f'{self.section}.{name}' for name in names)}.",
            ) from None
        return context


@dataclass(frozen=True, slots=True)
class Post:
    """A request. Header names are in lower case; of several of a name the last counts."""

    peer: str
    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class RefusedPost(Exception):
    """The request is answered with this status."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason or str(status))
        self.status = status


class PostServer:
    """Listens. ``take`` gets each request and returns its answer once the content is durable.

    It raises ValueError for a body that cannot be read, and :class:`RefusedPost`. ``admit`` gets
    the head of a request before its body is read, and returns how long that may be: a stranger
    fills no memory. It raises :class:`RefusedPost`, too.
    """

    def __init__(
        self,
        settings: ListenSettings,
        take: Callable[[Post], Awaitable[Reply]],
        methods: frozenset[str] = frozenset({"POST"}),
        admit: Callable[[Post], int] = lambda _: BODY_LIMIT,
    ) -> None:
        self._settings = settings
        self._take = take
        self._methods = methods
        self._admit = admit
        self._server: asyncio.Server | None = None
        self._open = 0
        self.batches = 0
        self.refused = 0

    async def start(self) -> int:
        """Listen, and return the port. Raises :class:`ConfigError`."""
        settings = self._settings
        context = settings.context()
        try:
            self._server = await asyncio.start_server(
                self._connected,
                settings.host,
                settings.port,
                ssl=context,
                ssl_handshake_timeout=REQUEST_SECONDS,
                limit=PIECE,
            )
        except OSError as error:
            raise ConfigError(
                f"{settings.section}: cannot listen on {settings.host}:{settings.port}: "
                f"{error.strerror}",
                f"Choose another {settings.section}.listen.",
            ) from None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("unknown",))[0])
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._open += 1
        try:
            while await self._request(connection, reader, writer, peer):
                connection.start_next_cycle()
        except (OSError, h11.ProtocolError, TimeoutError, asyncio.IncompleteReadError):
            self.refused += 1
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def _request(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> bool:
        """Answer one request; return whether the connection takes another."""
        if self._open > CONNECTIONS_LIMIT:
            return False
        reply = Reply()
        try:
            post = await self._post(connection, reader, writer, peer)
            if post is None:
                return False
            async with asyncio.timeout(DURABLE_SECONDS):
                reply = await self._take(post)
            self.batches += 1
        except RefusedPost as refused:
            self.refused += 1
            log.debug("a post of %s is refused: %s", peer, refused)
            reply = Reply(refused.status)
        except ValueError:
            self.refused += 1
            reply = Reply(400)
        except TimeoutError:
            self.refused += 1
            reply = Reply(503)
        headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
        answer = h11.Response(status_code=reply.status, headers=headers)
        data = connection.send(answer) or b""
        if reply.body:
            data += connection.send(h11.Data(reply.body)) or b""
        writer.write(data + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    async def _post(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> Post | None:
        """Return the next request; None at the end of the connection."""
        head: h11.Request | None = None
        body = bytearray()
        begun = False
        longest = 0
        try:
            async with asyncio.timeout(IDLE_SECONDS) as limit:
                while True:
                    event = connection.next_event()
                    if event is h11.NEED_DATA:
                        await _read(connection, reader, writer)
                        if not begun:
                            begun = True
                            limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS)
                    elif isinstance(event, h11.Request):
                        head = event
                        longest = self._check(event, peer)
                    elif isinstance(event, h11.Data):
                        body += event.data
                        if len(body) > longest:
                            raise RefusedPost(413)
                    else:
                        whole = isinstance(event, h11.EndOfMessage)
                        return _post(peer, head, bytes(body)) if whole and head else None
        except TimeoutError:
            if not begun:
                return None
            raise RefusedPost(408) from None

    def _check(self, head: h11.Request, peer: str) -> int:
        """Return how long the body may be. Raises :class:`RefusedPost`."""
        if head.method.decode("ascii") not in self._methods:
            raise RefusedPost(405)
        longest = min(BODY_LIMIT, self._admit(_post(peer, head, b"")))
        length = dict(head.headers).get(b"content-length")
        if length is not None and int(length) > longest:
            raise RefusedPost(413)
        return longest


async def _read(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Give the connection the next bytes of the client."""
    if connection.they_are_waiting_for_100_continue:
        go_on = h11.InformationalResponse(status_code=100, headers=[])
        writer.write(connection.send(go_on) or b"")
    connection.receive_data(await reader.read(PIECE))


def _post(peer: str, head: h11.Request, body: bytes) -> Post:
    return Post(
        peer,
        head.method.decode("ascii"),
        head.target.decode("ascii", "replace"),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers},
        body,
    )

"""The audit webhook of Kubernetes: batches of audit events over HTTPS with client certificates.

The API server posts an ``EventList`` and tries again until it is answered with 2xx, so a batch is
answered after its events are durable, and never before (``--audit-webhook-config-file``,
``--audit-webhook-mode=batch``). A client without a certificate of the configured authority does not
get past the handshake.

=============  =================================================================
answer         when
=============  =================================================================
200            the batch is durable
400            the body cannot be read
405, 411, 413  another method; no length; a body over ``BODY_LIMIT``
408            the request did not come whole within ``REQUEST_SECONDS``
503            the disk did not take it within ``DURABLE_SECONDS``, or too many wait
=============  =================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

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
DURABLE_SECONDS = 10.0
PIECE = 1 << 16
log = logging.getLogger("castoff")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where it listens, as whom, and whose clients it takes."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path

    def context(self) -> ssl.SSLContext:
        """Return the TLS context; raises :class:`ConfigError` for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"webhook: the certificates cannot be used: {error}",
                "Check webhook.certificate, webhook.key and webhook.client_ca.",
            ) from None
        return context


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class AuditWebhook:
    """Listens. ``take`` gets a body and whom it came from; it returns once that is durable.

    It raises ValueError for a body that cannot be read.
    """

    def __init__(
        self, settings: WebhookSettings, take: Callable[[str, bytes], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._take = take
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
                f"webhook: cannot listen on {settings.host}:{settings.port}: {error.strerror}",
                "Choose another webhook.listen.",
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
        try:
            body = await self._body(connection, reader, writer)
            if body is None:
                return False
            async with asyncio.timeout(DURABLE_SECONDS):
                await self._take(peer, body)
            self.batches += 1
            status = 200
        except _Refused as refused:
            self.refused += 1
            status = refused.status
        except ValueError:
            self.refused += 1
            status = 400
        except TimeoutError:
            self.refused += 1
            status = 503
        answer = h11.Response(status_code=status, headers=[("content-length", "0")])
        data = (connection.send(answer) or b"") + (connection.send(h11.EndOfMessage()) or b"")
        writer.write(data)
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    @staticmethod
    async def _body(
        connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Return the body of the next request; None at the end of the connection."""
        body = bytearray()
        begun = False
        try:
            async with asyncio.timeout(None) as limit:
                while True:
                    event = connection.next_event()
                    if event is h11.NEED_DATA:
                        if connection.they_are_waiting_for_100_continue:
                            go_on = h11.InformationalResponse(status_code=100, headers=[])
                            writer.write(connection.send(go_on) or b"")
                        connection.receive_data(await reader.read(PIECE))
                        if not begun:
                            begun = True
                            limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS)
                    elif isinstance(event, h11.EndOfMessage):
                        return bytes(body)
                    elif not _taken(event, body):
                        return None
        except TimeoutError:
            raise _Refused(408) from None


def _taken(event: object, body: bytearray) -> bool:
    """Take a part of a request; return False at the end of the connection."""
    if isinstance(event, h11.Request):
        if event.method != b"POST":
            raise _Refused(405)
        length = dict(event.headers).get(b"content-length")
        if length is not None and int(length) > BODY_LIMIT:
            raise _Refused(413)
        return True
    if isinstance(event, h11.Data):
        body += event.data
        if len(body) > BODY_LIMIT:
            raise _Refused(413)
        return True
    return False

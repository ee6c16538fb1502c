"""An HTTP/1.1 client for collectors: POST over h11, connections kept, every wait and size limited.

h11 (sans-I/O, in the agent already) costs 0.5 MiB of resident memory; urllib3 2.3 and a thread for
each request, httpx 6.2.

- A redirect is an answer like any other and not followed: events go to where they were meant to.
- Proxies of the environment are not used.
- The answer is read while the request is still being sent: a server may refuse a body by its size.
- Header values never get into a reason: what the server repeats of them is blotted out.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

import h11

from sensor.outputs.http.connection import AnswerTooLong, HttpConnection
from sensor.outputs.http.message import check_headers
from sensor.outputs.http.unpacking import unpacked
from sensor.outputs.network import tls
from sensor.outputs.network.dial import CONNECT_SECONDS, Unreachable, dial
from sensor.outputs.network.tls import TlsSettings
from sensor.schema.text import visible

if TYPE_CHECKING:
    from sensor.outputs.http.message import Headers, HttpAnswer, HttpUrl

REQUEST_SECONDS = 30.0
"""From the first byte of a request to the last one of its answer."""
ANSWER_LIMIT = 1024 * 1024
IDLE_LIMIT = 8
"""Connections that are kept open between requests."""
EXCERPT_LIMIT = 200
"""Characters of an answer that a reason repeats."""
_TAG = re.compile(r"<[^<>]*>")
SECRET_MIN = 4
"""Shorter words of a header's value are not secrets."""


class HttpFailed(Exception):
    """No answer came, or none that can be read. ``credentials``: as in Unreachable."""

    def __init__(self, reason: str, *, credentials: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.credentials = credentials


class HttpClient:
    """Talks to the server of one URL; ``headers`` go with every request and may hold secrets.

    Raises ValueError for a header that no request may have.
    """

    def __init__(
        self,
        url: HttpUrl,
        *,
        headers: Headers = (),
        settings: TlsSettings | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        check_headers(headers)
        self.url = url
        self._headers = headers
        self._secrets = sorted(
            {word for _, value in headers for word in (value, *value.split()) if _secret(word)},
            key=len,
            reverse=True,
        )
        self._tls = (settings or TlsSettings()) if url.secure else None
        self._connect_seconds = connect_seconds
        self._request_seconds = request_seconds
        self._answer_limit = answer_limit
        self._idle: list[HttpConnection] = []
        self._busy: set[HttpConnection] = set()

    @property
    def connected(self) -> bool:
        """Whether there is an open connection."""
        return bool(self._idle or self._busy)

    async def post(
        self, body: bytes, headers: Headers = (), *, target: str | None = None
    ) -> HttpAnswer:
        """Send a request and return its answer, whatever its status.

        ``target`` is another path and query than the URL's. Raises :class:`HttpFailed`.
        """
        head = h11.Request(
            method="POST",
            target=target or self.url.target,
            headers=[
                ("Host", self.url.authority),
                ("Content-Length", str(len(body))),
                *headers,
                *self._headers,
            ],
        )
        kept = await self._take()
        if kept is not None:
            with contextlib.suppress(_Stale):
                return await self._exchange(kept, head, body)
        try:
            stream = await dial(self.url.address, self._tls, self._connect_seconds)
        except Unreachable as error:
            raise HttpFailed(error.reason, credentials=error.credentials) from error
        return await self._exchange(HttpConnection(stream), head, body)

    def excerpt(self, answer: HttpAnswer) -> str:
        """Return status and beginning of an answer for a person, on one printable line."""
        text = answer.body[: 4 * EXCERPT_LIMIT].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            text = _TAG.sub(" ", text)
        text = self._shown(text)
        place = self._shown((answer.header("location") or "").partition("?")[0])
        head = f"HTTP {answer.status} to {place}" if place else f"HTTP {answer.status}"
        return f"{head}: {text}" if text else head

    async def close(self) -> None:
        """Close every connection without a further word."""
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports' sockets are closed in the loop's next round

    def _shown(self, text: str) -> str:
        shown = visible(" ".join(self._blotted(text).split()))
        return shown[:EXCERPT_LIMIT] + "…" if len(shown) > EXCERPT_LIMIT else shown

    def _blotted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def _take(self) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            try:
                usable = await connection.wake()
            except asyncio.CancelledError:
                connection.abort()
                raise
            if usable:
                return connection
            connection.abort()
        return None

    async def _exchange(
        self, connection: HttpConnection, head: h11.Request, body: bytes
    ) -> HttpAnswer:
        self._busy.add(connection)
        again = False
        where = self.url.address
        try:
            async with asyncio.timeout(self._request_seconds):
                packed = await connection.exchange(head, body, self._answer_limit)
            answer = unpacked(packed, self._answer_limit)
            again = connection.reusable() and len(self._idle) < IDLE_LIMIT
        except TimeoutError as error:
            problem = f"{where}: no whole answer within {self._request_seconds:g} s"
            raise HttpFailed(problem) from error
        except AnswerTooLong as error:
            problem = f"{where}: the answer is longer than {self._answer_limit} bytes"
            raise HttpFailed(problem) from error
        except h11.RemoteProtocolError as error:
            reason = visible(self._blotted(str(error)))[:EXCERPT_LIMIT]
            raise HttpFailed(f"{where}: the answer is not HTTP: {reason}") from error
        except OSError as error:
            if connection.used and not connection.answered:
                raise _Stale from error
            reason, credentials = tls.failure(error)
            raise HttpFailed(f"{where}: {reason}", credentials=credentials) from error
        finally:
            self._busy.discard(connection)
            if again:
                connection.rest()
                self._idle.append(connection)
            else:
                connection.abort()
        return answer


class _Stale(Exception):
    """A kept connection ended before a byte of the answer: the server had closed it."""


def _secret(word: str) -> bool:
    return len(word) >= SECRET_MIN and word.lower() not in ("basic", "bearer", "splunk", "apikey")

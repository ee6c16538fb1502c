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
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11

from sensor.outputs import tls
from sensor.outputs.dial import CONNECT_SECONDS, Address, Stream, Unreachable, dial
from sensor.outputs.text import visible
from sensor.outputs.tls import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_SECONDS = 30.0
"""From the first byte of a request to the last one of its answer."""
HEAD_LIMIT = 16 * 1024
ANSWER_LIMIT = 1024 * 1024
READ_SIZE = 64 * 1024
IDLE_LIMIT = 8
"""Connections that are kept open between requests."""
IDLE_SECONDS = 45.0
"""How long: most servers and balancers close after 60 s or more."""
RETRY_AFTER_LIMIT = 3600.0
EXCERPT_LIMIT = 200
"""Characters of an answer that a reason repeats."""
SECRET_MIN = 4
"""Shorter words of a header's value are no secrets."""

Headers = tuple[tuple[str, str], ...]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """``target`` is path and query, ``authority`` the Host header."""

    secure: bool
    address: Address
    authority: str
    target: str

    @classmethod
    def parse(cls, text: str) -> HttpUrl:
        """Read ``http[s]://host[:port][/path][?query]``.

        Raises ValueError with words for a person: for another scheme, a user or password (they
        belong into a header), a fragment, and what is not printable ASCII.
        """
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("an URL has printable ASCII characters only; escape others with %")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https"):
            raise ValueError("an URL begins with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("user and password do not belong into an URL: set a header")
        if parts.fragment:
            raise ValueError("an URL of a collector has no #fragment")
        if not parts.hostname:
            raise ValueError("an URL names a host")
        secure = parts.scheme == "https"
        port = parts.port if parts.port is not None else (443 if secure else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(secure, Address(parts.hostname, port), parts.netloc, target)

    def __str__(self) -> str:
        """Return the URL without its query, in which some collectors want a token."""
        path = self.target.partition("?")[0]
        return f"{'https' if self.secure else 'http'}://{self.authority}{path}"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; ``headers`` have lower-case names."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name."""
        return next((value for found, value in self.headers if found == name), None)

    def retry_after(self) -> float | None:
        """Return the wait in seconds that the server asks for, an hour at most."""
        return retry_after(self.header("retry-after"), time.time())


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
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

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
        return await self._exchange(_Connection(stream), head, body)

    def excerpt(self, answer: HttpAnswer) -> str:
        """Return status and beginning of an answer for a person, on one printable line."""
        text = answer.body[: 4 * EXCERPT_LIMIT].decode("utf-8", "replace")
        text = visible(" ".join(self._blotted(text).split()))
        if len(text) > EXCERPT_LIMIT:
            text = text[:EXCERPT_LIMIT] + "…"
        return f"HTTP {answer.status}: {text}" if text else f"HTTP {answer.status}"

    async def close(self) -> None:
        """Close every connection without a further word."""
        for connection in [*self._idle, *self._busy]:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports' sockets are closed in the loop's next round

    def _blotted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def _take(self) -> _Connection | None:
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
        self, connection: _Connection, head: h11.Request, body: bytes
    ) -> HttpAnswer:
        self._busy.add(connection)
        again = False
        where = self.url.address
        try:
            async with asyncio.timeout(self._request_seconds):
                answer = await connection.exchange(head, body, self._answer_limit)
            again = connection.reusable() and len(self._idle) < IDLE_LIMIT
        except TimeoutError as error:
            problem = f"{where}: no whole answer within {self._request_seconds:g} s"
            raise HttpFailed(problem) from error
        except _TooLong as error:
            problem = f"{where}: the answer is longer than {self._answer_limit} bytes"
            raise HttpFailed(problem) from error
        except h11.RemoteProtocolError as error:
            reason = visible(self._blotted(str(error)))[:EXCERPT_LIMIT]
            raise HttpFailed(f"{where}: what answers is no HTTP server: {reason}") from error
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


class _TooLong(Exception):
    """The answer's body goes beyond the limit."""


class _Connection:
    """One connection and the state of its protocol."""

    def __init__(self, stream: Stream) -> None:
        self.used = False
        """It has carried an exchange before the present one."""
        self.answered = False
        """Bytes of the present answer came."""
        self._stream = stream
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._idle_since = 0.0
        self._silence: asyncio.Task[bytes] | None = None

    async def exchange(self, head: h11.Request, body: bytes, limit: int) -> HttpAnswer:
        """Raises OSError, h11.RemoteProtocolError and _TooLong."""
        protocol = self._protocol
        if protocol.our_state is h11.DONE:
            protocol.start_next_cycle()
            self.used, self.answered = True, False
        self._stream.write(protocol.send(head) or b"")
        self._stream.write(protocol.send(h11.Data(data=body)) or b"")
        self._stream.write(protocol.send(h11.EndOfMessage()) or b"")
        response: h11.Response | None = None
        received = bytearray()
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                await self._read()
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                received += event.data
                if len(received) > limit:
                    raise _TooLong
            elif response is not None and isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionResetError("the server closed the connection without an answer")
        return HttpAnswer(
            response.status_code,
            tuple(
                (name.decode("ascii", "replace"), value.decode("latin-1"))
                for name, value in response.headers
            ),
            bytes(received),
        )

    async def _read(self) -> None:
        data = await self._stream.reader.read(READ_SIZE)
        if not data and not self.answered:
            raise ConnectionResetError("the server closed the connection without an answer")
        self.answered = True
        self._protocol.receive_data(data)

    def reusable(self) -> bool:
        """Whether both sides mean to go on, and neither request nor answer left anything over."""
        return (
            self._protocol.our_state is h11.DONE
            and self._protocol.their_state is h11.DONE
            and self._protocol.trailing_data == (b"", False)
        )

    def rest(self) -> None:
        """Begin to wait for the next request, and watch for the server's closing meanwhile."""
        self._idle_since = asyncio.get_running_loop().time()
        self._silence = asyncio.create_task(self._stream.reader.read(1))
        self._silence.add_done_callback(_heard)

    async def wake(self) -> bool:
        """Return whether the connection is still young, open, and was silent while it rested.

        What a server says unasked would be taken for the answer to the next request.
        """
        silence = self._silence
        if silence is None:
            return False
        silence.cancel()
        await asyncio.wait({silence})
        age = asyncio.get_running_loop().time() - self._idle_since
        return silence.cancelled() and age < IDLE_SECONDS

    def abort(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._stream.close()


def _heard(silence: asyncio.Task[bytes]) -> None:
    if not silence.cancelled():
        silence.exception()  # the connection is given up whatever it was


def retry_after(value: str | None, now: float) -> float | None:
    """Return the wait of a Retry-After header, at most an hour; None for none or a senseless one.

    It is a number of seconds or a date, RFC 9110 section 10.2.3; ``now`` in seconds since the Unix
    epoch.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_LIMIT)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 1 MiB, and hardly ever needed

    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(then - now, 0.0), RETRY_AFTER_LIMIT)


def check_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Raise ValueError, without any value, for headers that a request cannot have."""
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"the header {name} cannot be set")
        if value and not _HEADER_VALUE.fullmatch(value):
            # Its value may be a secret and is not repeated.
            raise ValueError(f"the value of the header {name} is not printable ASCII")


def _secret(word: str) -> bool:
    return len(word) >= SECRET_MIN and word.lower() not in ("basic", "bearer", "splunk", "apikey")

"""Asks a running agent through its socket. For the command line; blocking, one request each.

h11 speaks the protocol here, too: importing http.client alone takes a quarter of the time that
``castoff status`` may take.
"""

from __future__ import annotations

import contextlib
import grp
import json
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11

from sensor.api.status import AgentStatus
from sensor.errors import AgentUnreachable, CastoffError, PermissionMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 5.0
"""How long an agent may take to accept and to answer."""
SILENCE_SECONDS = 45.0
"""How long a stream may be silent: three heartbeats."""
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of one answer, and of one line of a stream."""
HEAD_LIMIT = 64 * 1024
READ_SIZE = 64 * 1024
REASON_LIMIT = 300
SHOWN = 40
"""Bytes of a malformed answer that an error repeats."""


class SocketForbidden(PermissionMissing):
    """The caller is not in the group that may use the agent's socket."""

    exit_code = 4


class RequestRefused(CastoffError):
    """The agent answered, and what was asked for makes no sense or does not exist.

    ``status`` is the answer's, ``answer`` its document.
    """

    exit_code = 1

    def __init__(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        problem = str(answer.get("error") or status.phrase)[:REASON_LIMIT]
        fix = answer.get("fix")
        known = fix[:REASON_LIMIT] if isinstance(fix, str) and fix else _FIXES.get(status)
        super().__init__(problem, known or "See castoff --help.")
        self.status = status
        self.answer = answer


_START = "Start it (systemctl start castoff, or castoff run), or name its socket with --socket."
_FIXES = {
    HTTPStatus.NOT_FOUND: "List what is known: castoff containers --all",
    HTTPStatus.CONFLICT: "Give more of the id.",
    HTTPStatus.GONE: "Query again without the cursor.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Try again; castoff status shows the agent's state.",
}
_REFUSALS = frozenset(_FIXES) | {HTTPStatus.BAD_REQUEST}


class AgentClient:
    """A client for the agent whose socket is at ``path``.

    Every call raises AgentUnreachable when no agent answers in time or the answer is malformed,
    SocketForbidden when the caller may not ask, and RequestRefused when the agent does not know
    what is meant.
    """

    def __init__(self, path: Path, *, seconds: float = SECONDS) -> None:
        self._path = path
        self._seconds = seconds

    def status(self) -> AgentStatus:
        """Return the agent's state."""
        data = self.get("/v1/status")
        try:
            return AgentStatus.from_json(data)
        except ValueError as error:
            raise self._strange(str(error)) from error

    def document(self, target: str) -> dict[str, Any]:
        """Return the JSON document of a resource."""
        try:
            answer = json.loads(self.get(target))
        except ValueError as error:
            raise self._strange(str(error)) from error
        if not isinstance(answer, dict):
            raise self._strange(f"{target} is not a document")
        return answer

    def post(self, target: str, body: object = None) -> dict[str, Any]:
        """Send a command with POST, ``body`` as JSON where one is given, and return the answer."""
        sent = b"" if body is None else json.dumps(body).encode()
        try:
            answer = json.loads(self.get(target, method="POST", body=sent))
        except ValueError as error:
            raise self._strange(str(error)) from error
        if not isinstance(answer, dict):
            raise self._strange(f"{target} is not a document")
        return answer

    def get(self, target: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Return the body of a resource."""
        answer = bytearray()
        with self._asking(target, self._seconds, method, body) as exchange:
            for chunk in exchange.chunks():
                answer += chunk
                if len(answer) > ANSWER_LIMIT:
                    raise self._strange(f"the answer to {target} does not end")
        return bytes(answer)

    def lines(self, target: str, begun: Callable[[], None] = lambda: None) -> Iterator[bytes]:
        """Yield the lines of a stream, each with its newline, as they come.

        ``begun`` is called once the agent has agreed: from then on a follower misses nothing.
        """
        rest = b""
        with self._asking(target, SILENCE_SECONDS) as exchange:
            begun()
            for chunk in exchange.chunks():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line + b"\n"
                if len(rest) > ANSWER_LIMIT:
                    raise self._strange(f"a line of {target} does not end")

    @contextlib.contextmanager
    def _asking(
        self, target: str, silence: float, method: str = "GET", body: bytes = b""
    ) -> Iterator[_Exchange]:
        """Send the request and check the answer's head; translate what goes wrong."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                self._connect(connection)
                exchange = _Exchange(connection)
                head = exchange.ask(target, method, body)
                connection.settimeout(silence)
                if head != HTTPStatus.OK:
                    self._refuse(target, head, exchange, method)
                yield exchange
            except PermissionError as error:
                raise self._forbidden() from error
            except TimeoutError as error:
                raise AgentUnreachable(
                    f"{self._path}: no answer within {connection.gettimeout():g} s",
                    "Check whether the agent is overloaded or stopped (SIGSTOP).",
                ) from error
            except (OSError, h11.RemoteProtocolError) as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                problem = f"no agent answers on {self._path}: {reason}"
                raise AgentUnreachable(problem, _START) from error

    def _connect(self, connection: socket.socket) -> None:
        """Wait for a place in the listener's queue: only a blocking connect does (unix(7))."""
        whole, rest = divmod(self._seconds, 1)
        patience = struct.pack("ll", int(whole), int(rest * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        try:
            connection.connect(str(self._path))
        except BlockingIOError as error:
            raise TimeoutError from error
        finally:
            connection.settimeout(self._seconds)

    def _refuse(self, target: str, head: HTTPStatus, exchange: _Exchange, method: str) -> None:
        if head == HTTPStatus.FORBIDDEN:
            if method != "GET":
                raise SocketForbidden(f"{self._path}: only root may do that", "Run as root.")
            raise self._forbidden()
        answer: object = None
        if head in _REFUSALS:
            with contextlib.suppress(ValueError):
                answer = json.loads(b"".join(exchange.chunks())[:ANSWER_LIMIT])
        if isinstance(answer, dict):
            raise RequestRefused(head, answer)
        raise self._strange(f"answered {target} with {head.value} {exchange.reason}")

    def _strange(self, what: str) -> AgentUnreachable:
        return AgentUnreachable(
            f"{self._path}: {what}", "Use the castoff command of the agent's version."
        )

    def _forbidden(self) -> SocketForbidden:
        fix = "Run as root."
        with contextlib.suppress(OSError, KeyError):
            found = self._path.stat()
            if found.st_gid:
                group = grp.getgrgid(found.st_gid).gr_name
                fix = f"Run as root, or join the group and log in again: usermod -aG {group} YOU"
        return SocketForbidden(f"{self._path}: permission denied", fix)


class _Exchange:
    """One request and its answer on a connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.reason = ""
        self._begin = b""
        self._connection = connection
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)

    def ask(self, target: str, method: str, body: bytes = b"") -> HTTPStatus:
        """Send a request and return the answer's status."""
        headers = [("Host", "localhost"), ("Connection", "close")]
        if body:
            headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = h11.Request(method=method, target=target, headers=headers)
        parts = (request, *((h11.Data(data=body),) if body else ()), h11.EndOfMessage())
        data = b"".join(self._protocol.send(part) or b"" for part in parts)
        # An agent that turns clients away closes early, and what it said can still be read.
        with contextlib.suppress(BrokenPipeError):
            self._connection.sendall(data)
        try:
            head = self._next()
        except h11.RemoteProtocolError as error:
            said = repr(self._begin)[2:-1] if self._begin else "nothing"
            message = f"{said} instead of an answer"
            raise h11.RemoteProtocolError(message) from error
        if not isinstance(head, h11.Response):
            message = "an answer that does not begin"
            raise h11.RemoteProtocolError(message)
        self.reason = bytes(head.reason).decode("ascii", "replace")
        try:
            return HTTPStatus(head.status_code)
        except ValueError as error:
            raise h11.RemoteProtocolError(str(error)) from error

    def chunks(self) -> Iterator[bytes]:
        """Yield the answer's body as it comes."""
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return

    def _next(self) -> object:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = self._connection.recv(READ_SIZE)
            self._begin = self._begin or data[:SHOWN]
            self._protocol.receive_data(data)

"""Asks a running agent through its socket. For the command line; blocking, one request each."""

from __future__ import annotations

import http.client
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

from sensor.control.status import Status
from sensor.errors import AgentUnreachable, PermissionMissing

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 5.0
"""How long an agent may take to accept and to answer."""
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of one answer."""


class AgentClient:
    """A client for the agent whose socket is at ``path``.

    Every call raises AgentUnreachable when no agent answers in time or what answers is none, and
    PermissionMissing when the caller may not ask.
    """

    def __init__(self, path: Path, *, seconds: float = SECONDS) -> None:
        self._path = path
        self._seconds = seconds

    def status(self) -> Status:
        """Return the agent's state."""
        data = self.get("/v1/status")
        try:
            return Status.from_json(data)
        except ValueError as error:
            raise AgentUnreachable(
                f"{self._path}: {error}", "use the castoff command of the agent's version"
            ) from error

    def get(self, target: str) -> bytes:
        """Return the body of a resource."""
        connection = _UnixConnection(self._path, self._seconds)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            body = answer.read(ANSWER_LIMIT + 1)
        except PermissionError as error:
            raise self._forbidden() from error
        except TimeoutError as error:
            raise AgentUnreachable(
                f"{self._path}: no answer within {self._seconds:g} s",
                "look whether the agent is overloaded or stopped (SIGSTOP)",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AgentUnreachable(
                f"{self._path}: {reason}",
                "start the agent (castoff run), or name its socket with --socket",
            ) from error
        finally:
            connection.close()
        if answer.status == HTTPStatus.FORBIDDEN:
            raise self._forbidden()
        if answer.status != HTTPStatus.OK or len(body) > ANSWER_LIMIT:
            raise AgentUnreachable(
                f"{self._path}: answered {target} with {answer.status} {answer.reason}",
                "use the castoff command of the agent's version",
            )
        return body

    def _forbidden(self) -> PermissionMissing:
        return PermissionMissing(
            f"{self._path}: permission denied", "run as root, or join the socket's group"
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket; the host name only fills the Host header."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path
        self._seconds = seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))

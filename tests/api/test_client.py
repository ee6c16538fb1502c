"""The client of the socket: a missing agent, odd answers, and what is asked anew."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.api.client import AgentClient
from sensor.api.server import ControlServer
from sensor.api.status import AgentStatus
from sensor.errors import AgentUnreachable, PermissionMissing
from tests.api.test_status import STATUS


def test_a_missing_agent_is_reported_with_the_path(path: Path) -> None:
    with pytest.raises(AgentUnreachable, match=f"{path}: No such file"):
        AgentClient(path).status()


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A server that answers the first client with those bytes, whatever it asks."""
    listener = socket.socket(socket.AF_UNIX)

    def answer_once() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)

    with listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer_once)
        if answer:
            thread.start()
        yield
        if answer:
            thread.join()


def body(data: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        pytest.param(b"", AgentUnreachable, "no answer within 0.3 s", id="silence"),
        pytest.param(b"SSH-2.0-x\r\n", AgentUnreachable, "SSH-2.0-x", id="another protocol"),
        pytest.param(body(b"{}"), AgentUnreachable, "no status document", id="another document"),
        pytest.param(
            b"HTTP/1.1 500 Odd\r\nContent-Length: 0\r\n\r\n",
            AgentUnreachable,
            "with 500 Odd",
            id="an error",
        ),
        pytest.param(
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            PermissionMissing,
            "permission denied",
            id="forbidden",
        ),
    ],
)
def test_odd_answers_become_clear_errors(
    path: Path, answer: bytes, error: type[Exception], reason: str
) -> None:
    with answering(path, answer), pytest.raises(error, match=reason):
        AgentClient(path, seconds=0.3).status()


def test_status_is_asked_anew_for_each_request(path: Path) -> None:
    asked: list[int] = []

    def status() -> AgentStatus:
        asked.append(1)
        return STATUS

    async def run() -> None:
        server = ControlServer(path, status, group=None)
        await server.start()
        for _ in range(3):
            await asyncio.to_thread(AgentClient(path).status)
        await server.close()

    asyncio.run(run())
    assert len(asked) == 3

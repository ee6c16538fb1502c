"""The local socket: one request a line, many clients, none of which can harm the agent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sensor.api import http as http_module
from sensor.api.client import AgentClient
from sensor.api.limits import LIMITS
from sensor.api.server import ControlServer
from sensor.linux.peer import Peer
from tests.api.raw_socket import serving
from tests.api.sample_agent import line
from tests.api.test_status import STATUS

ROOT = Path(__file__).parents[2]


async def exchange(path: Path, data: bytes) -> bytes:
    """Send and read until the server closes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def test_a_client_gets_the_status(path: Path) -> None:
    async def scenario(_: ControlServer) -> None:
        client = AgentClient(path)
        assert await asyncio.to_thread(client.status) == STATUS
        assert json.loads(await asyncio.to_thread(client.get, "/healthz")) == {"status": "ok"}

    serving(path, scenario)


@pytest.mark.parametrize(
    ("request_", "start"),
    [
        (b"GET /nope HTTP/1.0\r\n\r\n", b"HTTP/1.1 404 "),
        (b"POST /v1/status HTTP/1.0\r\n\r\n", b"HTTP/1.1 405 "),
        (b"HEAD /v1/status HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 "),
        (b"\x16\x03\x01\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000, b"HTTP/1.1 431 "),
        (b"", b""),
        (b"GET /v1/status HTTP/1.1\r\n", b""),
    ],
)
def test_a_request_is_answered_or_refused_by_its_first_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes, start: bytes
) -> None:
    monkeypatch.setattr(http_module, "REQUEST_SECONDS", 0.2)

    async def scenario(_: ControlServer) -> None:
        answer = await exchange(path, request_)
        assert answer.startswith(start)
        if not start:
            assert answer == b""

    serving(path, scenario)


def test_a_client_that_sends_a_byte_now_and_then_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is that of the request, however often it shows signs of life."""
    monkeypatch.setattr(http_module, "REQUEST_SECONDS", 0.3)

    async def scenario(server: ControlServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in itertools.chain(b"GET /v1/status HTTP/1.1\r\nA: ", itertools.repeat(120)):
                writer.write(bytes([byte]))
                await writer.drain()
                if reader.at_eof():
                    break
                await asyncio.sleep(0.02)
        assert time.monotonic() - began < 5
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        while server._clients:
            await asyncio.sleep(0.01)

    serving(path, scenario)


def test_a_client_that_has_said_all_it_will_is_answered(path: Path) -> None:
    """Half open: it shut its side down for writing, and still reads."""

    async def scenario(server: ControlServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        while server._clients:
            await asyncio.sleep(0.01)

    serving(path, scenario)


def test_a_follower_that_shuts_down_its_side_is_let_go(path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /v1/events?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        while not server.following:
            await asyncio.sleep(0.01)
        server.publish(1, lambda: line(1))
        await reader.readuntil(b'"id":"id-1"')
        writer.write_eof()
        while server.following or server._clients:
            await asyncio.sleep(0.01)
        writer.close()

    serving(path, scenario)


def test_one_connection_carries_several_requests(path: Path) -> None:
    async def scenario(_: ControlServer) -> None:
        answer = await exchange(
            path,
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3
            + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4

    serving(path, scenario)


def test_one_client_too_many_is_refused_and_the_others_stay(path: Path) -> None:
    async def scenario(server: ControlServer) -> None:
        held = [await asyncio.open_unix_connection(str(path)) for _ in range(LIMITS.clients)]
        while len(server._clients) < LIMITS.clients:
            await asyncio.sleep(0.01)
        answer = await exchange(path, b"GET /healthz HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert server.refused == 1
        reader, writer = held[0]
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        for _, open_writer in held:
            open_writer.close()

    serving(path, scenario)


def crowd(path: Path, said: bytes, into: list[socket.socket]) -> float:
    """Connect a thousand times and return the longest wait."""
    slowest = 0.0
    for _ in range(1000):
        connection = socket.socket(socket.AF_UNIX)
        into.append(connection)
        # Blocking: otherwise a full queue of the listener is an error at once.
        before = time.monotonic()
        with contextlib.suppress(ConnectionError):
            connection.connect(str(path))
            connection.sendall(said)
        slowest = max(slowest, time.monotonic() - before)
    return slowest


@pytest.mark.parametrize(
    "said", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["silent", "busy"]
)
def test_a_thousand_connections_leave_the_agent_as_it_was(path: Path, said: bytes) -> None:
    async def scenario(server: ControlServer) -> None:
        connections: list[socket.socket] = []
        slowest = await asyncio.to_thread(crowd, path, said, connections)
        assert len(server._clients) <= 2 * LIMITS.clients
        for connection in connections:
            connection.close()
        while server._clients:
            await asyncio.sleep(0.01)
        answer = await exchange(path, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert server.closed_unheard + server.refused > 0
        assert slowest < 5

    serving(path, scenario)


def test_a_client_that_reads_nothing_is_forgotten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "WRITE_SECONDS", 0.2)

    async def scenario(server: ControlServer) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, str(path))
            connection.send(b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 90)
            await asyncio.sleep(0.1)
            while server._clients:
                await asyncio.sleep(0.02)

    serving(path, scenario)


@pytest.mark.parametrize(
    ("peer", "group", "allowed"),
    [
        pytest.param(Peer(1, 0, 0, frozenset()), None, True, id="root"),
        pytest.param(Peer(1, os.geteuid(), 5, frozenset()), None, True, id="own user"),
        pytest.param(Peer(1, 77, 5, frozenset()), 5, True, id="primary group"),
        pytest.param(Peer(1, 77, 6, frozenset({5})), 5, True, id="supplementary group"),
        pytest.param(Peer(1, 77, 6, frozenset({7})), 5, False, id="another group"),
        pytest.param(Peer(1, 77, 6, frozenset({7})), None, False, id="no group"),
    ],
)
def test_who_may_read(peer: Peer, group: int | None, allowed: bool) -> None:
    assert peer.may_read(group) is allowed


def test_importing_the_server_brings_no_http_library() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sensor.api.server; "
        "print(sorted({'aiohttp', 'http.client', 'email'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(ROOT)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"

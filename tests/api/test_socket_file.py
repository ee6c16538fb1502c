"""The socket's file: private, replaced when it is left over, and never taken from another agent."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from sensor.api.client import AgentClient
from sensor.api.server import ControlServer
from sensor.errors import ProbesBusy, StateUnusable
from tests.api.raw_socket import serving
from tests.api.test_status import STATUS

PLAIN_UID = 65534


def test_the_socket_is_private_and_gone_afterwards(path: Path) -> None:
    async def scenario(_: ControlServer) -> None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    serving(path, scenario)
    assert not path.exists()


def test_a_socket_that_no_agent_answers_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def scenario(_: ControlServer) -> None:
        assert await asyncio.to_thread(AgentClient(path).status) == STATUS

    serving(path, scenario)


def test_a_second_agent_is_refused_and_the_first_keeps_its_socket(path: Path) -> None:
    async def scenario(_: ControlServer) -> None:
        with pytest.raises(ProbesBusy, match=path.name):
            await ControlServer(path, lambda: STATUS, group=None).start()
        assert await asyncio.to_thread(AgentClient(path).status) == STATUS

    serving(path, scenario)


def test_closing_leaves_a_socket_that_took_our_place(path: Path) -> None:
    async def scenario(_: ControlServer) -> None:
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))

    serving(path, scenario)
    assert path.exists()


def test_another_kind_of_file_is_never_replaced(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(StateUnusable, match="is not a socket"):
        asyncio.run(ControlServer(path, lambda: STATUS).start())
    assert path.read_text() == "mine"


def test_a_place_where_no_socket_can_be_is_named() -> None:
    with pytest.raises(StateUnusable, match="/no/castoff: cannot make"):
        asyncio.run(ControlServer(Path("/proc/no/castoff"), lambda: STATUS).start())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_other_users_are_refused_even_when_the_file_lets_them_in(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: ControlServer) -> None:
        assert await asyncio.to_thread(ask_as_another_user, path) == "PermissionError"
        path.chmod(0o666)
        assert await asyncio.to_thread(ask_as_another_user, path) == "HTTP/1.1 403 Forbidden"
        assert server.refused == 1

    serving(path, scenario)
    assert f"of uid {PLAIN_UID}" in caplog.text


def ask_as_another_user(path: Path) -> str:
    program = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    try:
        connection.connect(sys.argv[1])
    except PermissionError as error:
        print(type(error).__name__)
    else:
        connection.sendall(b"GET /v1/status HTTP/1.0\\r\\n\\r\\n")
        print(connection.recv(4096).decode().splitlines()[0])
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", program, str(path)],
        user=PLAIN_UID,
        group=PLAIN_UID,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()

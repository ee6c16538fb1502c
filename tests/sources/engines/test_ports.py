"""Which ports are engines', by real processes that bear engines' names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor.sources.engines.ports import NO_API_PORTS, EnginePort, engine_ports

LISTEN = """\
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)  # PR_SET_NAME
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""
HERE = Path("/proc/self/ns/net").stat().st_ino
HOME = bytes(10) + b"\xff\xff\x7f\x00\x00\x01"
"""127.0.0.1, as IPv6 maps it."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a node's own engine is root's")


@contextmanager
def listening(name: str, user: int = 0) -> Iterator[int]:
    """Run a process with that comm; its port."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", LISTEN, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=user or None,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def found() -> frozenset[EnginePort]:
    return engine_ports(frozenset({"dockerd", "containerd"}))


@pytest.mark.parametrize("name", ["dockerd", "podman"])
def test_a_port_of_an_engine_is_found_while_it_listens(name: str) -> None:
    with listening(name) as port:
        assert EnginePort(HERE, port, HOME) in found()
        assert EnginePort(HERE, port, HOME).name == f"tcp:127.0.0.1:{port}"
    assert EnginePort(HERE, port, HOME) not in found()


@pytest.mark.parametrize(("name", "user"), [("containerd", 0), ("nginx", 0), ("dockerd", 65_534)])
def test_ports_of_others_are_not_engines(name: str, user: int) -> None:
    with listening(name, user) as port:
        assert EnginePort(HERE, port, HOME) not in found()


def test_ports_of_docker_that_take_no_requests_are_left_out() -> None:
    assert not {one.port for one in found()} & NO_API_PORTS

"""The probes report who connects over loopback to a port of an engine or of a relay."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf.socket_filter import ListeningPorts
from sensor.model.api_calls import ApiConnect
from tests.bpf.live import Probes

pytestmark = pytest.mark.kernel

CONNECT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
print(connection.getsockname()[1])
"""
HERE = Path("/proc/self/ns/net").stat().st_ino


@pytest.fixture
def ports(probes: Probes) -> Iterator[ListeningPorts]:
    if "on_tcp_state" not in probes.pins.links():
        pytest.skip("cannot run here: this kernel does not let probes see TCP connects")
    made = ListeningPorts(probes.pins.map("listening_ports"))
    yield made
    made.replace([])
    made.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = socket.create_server((request.param, 0), family=family)
    except OSError:
        pytest.skip(f"cannot run here: no {request.param}")
    yield made
    made.close()


def connects(probes: Probes, listener: socket.socket) -> tuple[int, int, list[ApiConnect]]:
    """Have a process connect; returns its pid, its port, and what was seen of it."""
    probes.drain()
    address, port = listener.getsockname()[:2]
    words = [sys.executable, "-I", "-c", CONNECT, address, str(port)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    out, _ = client.communicate(timeout=30)
    seen = [one for one in probes.drain() if isinstance(one, ApiConnect)]
    return client.pid, int(out), [one for one in seen if one.caller.pid == client.pid]


def test_a_connect_to_a_watched_port_is_reported_with_its_caller(
    probes: Probes, ports: ListeningPorts, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    ports.replace([(HERE, port)])
    pid, own, (seen,) = connects(probes, listener)
    assert (seen.socket, seen.port, seen.mnt_ns) == (f"tcp:127.0.0.1:{port}", own, None)
    assert seen.confirmed
    assert seen.connection
    assert seen.caller.pid == pid
    assert seen.caller.exe is not None


def test_other_ports_and_other_namespaces_are_not_reported(
    probes: Probes, ports: ListeningPorts, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    ports.replace([(HERE, port + 1), (HERE + 1, port)])
    assert connects(probes, listener)[2] == []


def test_a_port_that_is_an_engines_no_more_is_not_reported(
    probes: Probes, ports: ListeningPorts, listener: socket.socket
) -> None:
    ports.replace([(HERE, listener.getsockname()[1])])
    ports.replace([])
    assert connects(probes, listener)[2] == []

"""The probes report who connects over loopback to a port of an engine, and what is asked there."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.waiting import until
from sensor.bpf.record import KernelObservation
from sensor.bpf.socket_filter import ListeningPorts
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest, ConnectionClosed
from sensor.sources import connections
from tests.bpf.live import Probes

pytestmark = pytest.mark.kernel

HERE = Path("/proc/self/ns/net").stat().st_ino
POST = b"POST /v1.41/containers/web/start HTTP/1.1\r\nHost: docker\r\n\r\n"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303")
"""What begins a connection by TLS (RFC 8446 5.1)."""

SEND = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
print(connection.getsockname()[1], flush=True)
for piece in sys.argv[3:]:
    connection.sendall(bytes.fromhex(piece))
    connection.recv(65536)
"""
ORDER = (ApiConnect, ApiRequest, ApiAnswer)
ANY4, ANY6 = bytes(10) + b"\xff\xff" + bytes(4), bytes(16)


@pytest.fixture
def ports(probes: Probes) -> Iterator[ListeningPorts]:
    if "on_tcp_state" not in probes.pins.links():
        pytest.skip("cannot run here: this kernel does not let probes see TCP connects")
    made = ListeningPorts(probes.pins.map("listening_ports"))
    yield made
    made.replace([])
    made.close()


class Listener:
    """An engine at an address, which answers each write."""

    def __init__(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.create_server((address, 0), family=family)
        self.host, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> bytes:
        """Its address, as the agent reads it."""
        here = Path("/proc/self/net/tcp6" if ":" in self.host else "/proc/self/net/tcp")
        for line in here.read_text().splitlines()[1:]:
            local, _, port = line.split()[1].partition(":")
            if int(port, 16) == self.port:
                found = connections.address(local)
                assert found is not None
                return found
        pytest.fail("it does not listen")

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                while connection.recv(65536):
                    connection.sendall(ANSWER)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    try:
        made = Listener(request.param)
    except OSError:
        pytest.skip(f"cannot run here: no {request.param}")
    yield made
    made.close()


def exchange(
    probes: Probes, host: str, port: int, *pieces: bytes
) -> tuple[int, int, list[KernelObservation]]:
    """Have a process connect and send; returns its pid, its port, and what was seen of it."""
    probes.drain()
    words = [sys.executable, "-I", "-c", SEND, host, str(port), *(one.hex() for one in pieces)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    out, _ = client.communicate(timeout=30)
    assert client.returncode == 0
    seen = probes.drain()
    own = [one for one in seen if isinstance(one, ApiConnect | ApiRequest)]
    about = {one.connection for one in own if one.caller.pid == client.pid}
    kinds = (ApiConnect, ApiRequest, ApiAnswer)
    found = [one for one in seen if isinstance(one, kinds) and one.connection in about]
    return client.pid, int(out), list(found)


def connects(probes: Probes, listener: Listener) -> tuple[int, int, list[ApiConnect]]:
    pid, port, seen = exchange(probes, listener.host, listener.port)
    return pid, port, [one for one in seen if isinstance(one, ApiConnect)]


def test_a_connect_to_a_watched_port_is_reported_with_its_caller(
    probes: Probes, ports: ListeningPorts, listener: Listener
) -> None:
    ports.replace([(HERE, listener.port, listener.address)])
    pid, own, (seen,) = connects(probes, listener)
    assert (seen.socket, seen.port) == (f"tcp:127.0.0.1:{listener.port}", own)
    assert seen.mnt_ns is None
    assert seen.confirmed
    assert seen.connection
    assert seen.caller.pid == pid
    assert seen.caller.exe is not None


def test_other_ports_and_other_namespaces_are_not_reported(
    probes: Probes, ports: ListeningPorts, listener: Listener
) -> None:
    port, address = listener.port, listener.address
    ports.replace([(HERE, port + 1, address), (HERE + 1, port, address)])
    assert connects(probes, listener)[2] == []


def test_a_port_that_is_an_engines_no_more_is_not_reported(
    probes: Probes, ports: ListeningPorts, listener: Listener
) -> None:
    ports.replace([(HERE, listener.port, listener.address)])
    ports.replace([])
    assert connects(probes, listener)[2] == []


def test_what_listens_at_the_same_port_of_another_address_is_not_the_engine(
    probes: Probes, ports: ListeningPorts
) -> None:
    stranger = Listener("127.0.0.2")
    engine = connections.address("0100007F")
    assert engine is not None
    try:
        ports.replace([(HERE, stranger.port, engine)])
        assert exchange(probes, "127.0.0.2", stranger.port, POST)[2] == []
    finally:
        stranger.close()


def test_an_engine_may_listen_at_all_addresses(
    probes: Probes, ports: ListeningPorts, listener: Listener
) -> None:
    for every in (ANY6, *([ANY4] if listener.host == "127.0.0.1" else [])):
        ports.replace([(HERE, listener.port, every)])
        assert len(connects(probes, listener)[2]) == 1


def test_a_relays_connects_are_reported_and_what_it_is_asked_is_not_read(
    probes: Probes, ports: ListeningPorts, listener: Listener
) -> None:
    ports.relay([(HERE, listener.port)])
    seen = exchange(probes, listener.host, listener.port, POST)[2]
    assert [type(one) for one in seen] == [ApiConnect]


@pytest.fixture
def engine(probes: Probes, ports: ListeningPorts, listener: Listener) -> Listener:
    if "on_sent" not in probes.pins.links():
        pytest.skip("cannot run here: this kernel does not let probes read what is sent by TCP")
    ports.replace([(HERE, listener.port, listener.address)])
    return listener


def test_a_request_to_a_port_and_its_answer_share_the_connection(
    probes: Probes, engine: Listener
) -> None:
    pid, _, seen = exchange(probes, engine.host, engine.port, POST)
    # The end of a send is seen: the engine may have answered by then.
    connect, request, answer = sorted(seen, key=lambda one: ORDER.index(type(one)))
    assert isinstance(connect, ApiConnect)
    assert isinstance(request, ApiRequest)
    assert (request.payload, request.offset, request.length) == (POST, 0, len(POST))
    assert request.socket == connect.socket == f"tcp:127.0.0.1:{engine.port}"
    assert request.caller.pid == pid
    assert isinstance(answer, ApiAnswer)
    assert (answer.payload, answer.offset, answer.length) == (ANSWER, 0, len(ANSWER))


def test_the_end_of_a_connection_to_a_port_is_reported(probes: Probes, engine: Listener) -> None:
    seen: list[KernelObservation] = []

    def closed() -> bool:
        seen.extend(probes.drain())
        numbers = {one.connection for one in seen if isinstance(one, ApiRequest)}
        return any(isinstance(one, ConnectionClosed) and one.connection in numbers for one in seen)

    with socket.create_connection((engine.host, engine.port)) as connection:
        connection.sendall(POST)
        assert connection.recv(65536) == ANSWER
        assert not closed()
    until(closed, "the connection's end is reported")


def test_a_request_in_pieces_is_reported_piece_by_piece(probes: Probes, engine: Listener) -> None:
    seen = exchange(probes, engine.host, engine.port, POST[:30], POST[30:])[2]
    pieces = [(one.offset, one.payload) for one in seen if isinstance(one, ApiRequest)]
    assert pieces == [(0, POST[:30]), (30, POST[30:])]


def test_of_a_connection_by_tls_the_first_write_is_reported(
    probes: Probes, engine: Listener
) -> None:
    seen = exchange(probes, engine.host, engine.port, TLS_HELLO)[2]
    assert [one.payload for one in seen if isinstance(one, ApiRequest)] == [TLS_HELLO]


def test_who_asks_for_nothing_that_starts_is_known_by_the_connect_alone(
    probes: Probes, engine: Listener
) -> None:
    ask = b"GET /containers/json HTTP/1.1\r\n\r\n"
    (only,) = exchange(probes, engine.host, engine.port, ask)[2]
    assert isinstance(only, ApiConnect)

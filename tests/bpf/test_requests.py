"""The probes read what is asked of an engine, whichever way the host allows."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.bpf import loader, pins
from sensor.bpf.socket_filter import EngineSockets
from sensor.model.observations import ApiRequest
from tests.bpf.live import Probes

SEND = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(bytes.fromhex(sys.argv[2]))
connection.recv(1)
"""
PYTHON = (sys.executable, "-I", "-c", SEND)
POST = b"POST /v1.43/containers/web/start HTTP/1.1\r\nHost: docker\r\n\r\n"
PAYLOAD_MAX = 511


class Server:
    """Reads what it is sent, as an engine does, and answers with one byte."""

    def __init__(self, path: Path, sockets: EngineSockets) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self._sockets = sockets

    def watched_as(self, api: int) -> None:
        status = self.path.stat()
        self._sockets.replace([(status.st_dev, status.st_ino, api)])

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if not connection.recv(1 << 20):
                    return
                connection.sendall(b"!")

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join()
        self._listener.close()


@pytest.fixture
def server(probes: Probes, tmp_path: Path) -> Iterator[Server]:
    if not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(probes.pins.links()):
        pytest.skip("cannot run here: this kernel lets nobody read requests")
    sockets = EngineSockets(probes.pins.map("engine_sockets"))
    made = Server(tmp_path / "engine.sock", sockets)
    yield made
    made.close()
    sockets.replace([])
    sockets.close()


def asked(
    probes: Probes, server: Server, *sent: bytes, program: tuple[str, ...] = PYTHON
) -> list[tuple[int, ApiRequest]]:
    """Have a process send each, and return what was told of them with its pid."""
    probes.drain()
    pids = []
    for data in sent:
        client = subprocess.Popen([*program, server.path, data.hex()])
        assert client.wait(30) == 0
        pids.append(client.pid)
    told = [one for one in probes.drain() if isinstance(one, ApiRequest)]
    return [(one.caller.pid, one) for one in told if one.caller.pid in pids]


@pytest.mark.kernel
def test_a_request_is_told_with_its_caller_and_its_bytes(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)

    # A server that was awake just then may take the bytes first: nothing is told of that one.
    found = asked(probes, server, *[POST] * 5)
    assert found
    _, request = found[0]
    assert request.payload == POST
    assert request.socket == str(server.path)
    assert request.caller.argv is not None
    assert request.caller.argv[-1] == POST.hex()


@pytest.mark.kernel
def test_nearly_all_requests_are_told(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    assert len(asked(probes, server, *[POST] * 20)) >= 18


@pytest.mark.kernel
def test_of_a_long_request_the_beginning_is_told(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    long = POST + b"x" * 3000
    told = [request.payload for _, request in asked(probes, server, *[long] * 5)]
    assert told
    assert set(told) == {long[:PAYLOAD_MAX]}


@pytest.mark.kernel
def test_only_what_asks_an_engine_for_something_is_told(probes: Probes, server: Server) -> None:
    server.watched_as(EngineSockets.HTTP)
    assert asked(probes, server, b"GET /v1.43/containers/json HTTP/1.1\r\n\r\n", b"POS") == []
    server.watched_as(EngineSockets.RPC)
    assert asked(probes, server, b"x" * 2000) == []
    (short,) = {request.payload for _, request in asked(probes, server, *[b"frame"] * 5)}
    assert short == b"frame"


def request_to(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: docker\r\n\r\n".encode()


@pytest.mark.kernel
def test_of_requests_those_that_may_start_something_are_told(
    probes: Probes, server: Server
) -> None:
    server.watched_as(EngineSockets.HTTP)
    for path in ("create?name=start", "web/attach?stream=1", "web/wait", "web/stop", "prune"):
        assert asked(probes, server, *[request_to(f"/v1.43/containers/{path}")] * 2) == [], path
    long = "x" * PAYLOAD_MAX
    for path in ("web/start?detachKeys=", "web/restart", "web/%73tart", f"{long}/kill"):
        assert asked(probes, server, *[request_to(f"/containers/{path}")] * 5), path


@pytest.mark.kernel
def test_what_is_said_on_other_sockets_is_nobodys_business(probes: Probes, server: Server) -> None:
    assert asked(probes, server, POST) == []


@pytest.mark.kernel
def test_what_engines_ask_of_each_other_is_not_read(
    probes: Probes, server: Server, tmp_path: Path
) -> None:
    programs = {}
    for name in ("dockerd", "docker", "somebody"):
        script = tmp_path / name
        script.write_text(f"#!{sys.executable} -I\n{SEND}", encoding="utf-8")
        script.chmod(0o755)
        programs[name] = (str(script),)
    for api, silent in ((EngineSockets.RPC, {"dockerd"}), (EngineSockets.HTTP, set[str]())):
        server.watched_as(api)
        for name, program in programs.items():
            found = asked(probes, server, *[POST] * 3, program=program)
            assert bool(found) is (name not in silent), (api, name)


@pytest.mark.kernel
def test_without_requests_nothing_is_attached_to_what_is_sent() -> None:
    root = pins.BPFFS / f"castoff-test-quiet-{os.getpid()}"
    try:
        loaded = loader.load(root, requests=False)
        assert not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(loaded.links())
        assert loaded.fingerprint == loader.fingerprint(requests=False)
        assert loader.status(root)[0].current
    finally:
        loader.unload(root)

"""The probes report who listens where a process asks, by what the kernel keeps of listen(2)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor.bpf.socket_filter import EngineSockets, ListeningPorts
from sensor.model.api_calls import ApiConnect, ApiRequest, Listener
from sensor.sources.connections import address
from tests.bpf.engine_server import POST, PYTHON, TAKES_AT_ONCE
from tests.bpf.live import Probes

pytestmark = pytest.mark.kernel

PLAIN_USER = 65_534
HERE = {name: Path(f"/proc/self/ns/{name}").stat().st_ino for name in ("user", "pid", "net")}
AT_PORT = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"!")
"""
ASK_PORT = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
connection.sendall(bytes.fromhex(sys.argv[2]))
connection.recv(1)
"""
IN_A_PID_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")
IN_A_USER_NAMESPACE = ("unshare", "--user")


@contextmanager
def server(code: str, *words: str, user: int = 0, below: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a server; gives the line that it writes once it listens."""
    command = [*below, sys.executable, "-I", "-c", code, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, user=user, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().strip()
        finally:
            running.kill()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that any user can write to."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o777)
        yield Path(made)


def seen_of(probes: Probes, *command: str) -> list[ApiConnect | ApiRequest]:
    """Run a client; returns what was reported of it."""
    probes.drain()
    client = subprocess.Popen(command)
    assert client.wait(30) == 0
    found = [one for one in probes.drain() if isinstance(one, ApiConnect | ApiRequest)]
    return [one for one in found if one.caller.pid == client.pid]


@pytest.mark.parametrize(
    ("user", "below", "privileged"),
    [
        (0, (), True),
        (PLAIN_USER, (), False),
        (0, IN_A_PID_NAMESPACE, True),
        (PLAIN_USER, IN_A_USER_NAMESPACE, False),
    ],
    ids=["root", "a-user", "root-in-a-pid-namespace", "a-user-in-a-user-namespace"],
)
def test_a_call_through_a_file_names_who_listens_there(
    probes: Probes, place: Path, user: int, below: tuple[str, ...], *, privileged: bool
) -> None:
    if not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(probes.pins.links()):
        pytest.skip("cannot run here: this kernel does not let probes read requests")
    path = place / "engine.sock"
    sockets = EngineSockets(probes.pins.map("engine_sockets"))
    try:
        with server(TAKES_AT_ONCE, str(path), user=user, below=below):
            status = path.stat()
            sockets.replace([(status.st_dev, status.st_ino, EngineSockets.HTTP)])
            seen = seen_of(probes, *PYTHON, str(path), POST.hex())
    finally:
        sockets.replace([])
        sockets.close()
    assert {type(one) for one in seen} == {ApiConnect, ApiRequest}
    (listener,) = {one.listener for one in seen}
    assert listener is not None
    assert (listener.uid, listener.privileged) == (user, privileged)
    assert (listener.user_ns == HERE["user"]) is (below != IN_A_USER_NAMESPACE)
    assert (listener.pid_ns == HERE["pid"]) is (below != IN_A_PID_NAMESPACE)


@pytest.mark.parametrize("user", [0, PLAIN_USER])
def test_a_request_to_a_port_names_the_user_who_listens_there(probes: Probes, user: int) -> None:
    if "on_sent" not in probes.pins.links():
        pytest.skip("cannot run here: this kernel does not let probes read what is sent to ports")
    ports = ListeningPorts(probes.pins.map("listening_ports"))
    local = address("0100007F")
    assert local is not None
    try:
        with server(AT_PORT, user=user) as port:
            ports.replace([(HERE["net"], int(port), local)])
            words = (sys.executable, "-I", "-c", ASK_PORT, port, POST.hex())
            seen = seen_of(probes, *words)
    finally:
        ports.replace([])
        ports.close()
    (request,) = (one for one in seen if isinstance(one, ApiRequest))
    assert request.listener == Listener(user)

"""Connections of a plain user hide no answer to root's request, whatever place they have."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sensor.bpf.record import KernelObservation
from sensor.bpf.socket_filter import EngineSockets, ListeningPorts
from sensor.model.api_calls import ApiAnswer, ApiConnect, ApiRequest
from sensor.sources import connections
from tests.bpf.engine_server import ANSWER, POST
from tests.bpf.live import Probes
from tests.bpf.test_origins import AS_UNPRIVILEGED
from tests.bpf.test_tcp import HERE

pytestmark = pytest.mark.kernel

OTHER_USER = 65_534
CROWDS, SOCKETS = 10, 2_000
"""Processes, and connections of each. A process may open 4,096 files on most hosts."""

CROWD = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(flush=True)
sys.stdin.readline()
held = []
for _ in range(int(sys.argv[3])):
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    client.send(bytes.fromhex(sys.argv[2]))
    held.append((client, listener.accept()[0]))
print(flush=True)
sys.stdin.readline()
"""
"""An engine of its own user, asked through many connections that stay open."""

SAME_PLACE = 1024
"""Two clients of one port whose own ports differ by this bit have one place in the probes."""

KNOCK = """
import socket, sys
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
connection.bind(("127.0.0.1", int(sys.argv[2])))
connection.connect(("127.0.0.1", int(sys.argv[1])))
print(flush=True)
sys.stdin.readline()
"""

WAITING = 1_500
"""Connects that wait to be let in: more than the probes have places for."""

WAIT = """
import socket, sys, threading
path, count = sys.argv[1], int(sys.argv[2])
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(0)
threading.stack_size(65536)
def wait():
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError:
        pass
for _ in range(count):
    threading.Thread(target=wait, daemon=True).start()
print(flush=True)
sys.stdin.readline()
"""
"""Threads that connect to a listener of their own user, which accepts none of them."""

WAIT_AT_PORT = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for _ in range(int(sys.argv[2])):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", int(sys.argv[1])))
    held.append(client)
print(flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A process of a plain user that goes on when it is sent a line, and answers with one."""

    process: subprocess.Popen[bytes]

    def goes_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def answers(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"\n"


@contextlib.contextmanager
def stranger(program: str, *words: object) -> Iterator[Stranger]:
    command = [*AS_UNPRIVILEGED, "/usr/bin/python3", "-I", "-c", program, *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        yield Stranger(process)


@pytest.fixture
def sockets(probes: Probes) -> Iterator[EngineSockets]:
    if not {"on_data_ready", "kfunc__unix_stream_sendmsg"} & set(probes.pins.links()):
        pytest.skip("cannot run here: this kernel does not let probes read requests")
    made = EngineSockets(probes.pins.map("engine_sockets"))
    yield made
    made.replace([])
    made.close()


@pytest.fixture
def crowd() -> Iterator[dict[Path, Stranger]]:
    """Engines of a plain user, and clients of theirs: enough for all places that a user has."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place, contextlib.ExitStack() as stack:
        os.chown(place, OTHER_USER, OTHER_USER)
        paths = [Path(place) / f"{number}.sock" for number in range(CROWDS)]
        yield {
            path: stack.enter_context(stranger(CROWD, path, POST.hex(), SOCKETS)) for path in paths
        }


def answers_to_ours(seen: list[KernelObservation]) -> list[bytes]:
    """What was seen of an engine's answers to this process."""
    requests = [one for one in seen if isinstance(one, ApiRequest)]
    own = {one.connection for one in requests if one.caller.pid == os.getpid()}
    answers = [one for one in seen if isinstance(one, ApiAnswer)]
    return [one.payload for one in answers if one.connection in own]


def test_however_many_requests_a_plain_user_sends_the_answer_to_roots_is_read(
    probes: Probes, sockets: EngineSockets, crowd: dict[Path, Stranger], tmp_path: Path
) -> None:
    for one in crowd.values():
        one.answers()
    own = tmp_path / "own.sock"
    with socket.socket(socket.AF_UNIX) as engine, socket.socket(socket.AF_UNIX) as client:
        engine.bind(str(own))
        engine.listen()
        files = [path.stat() for path in (own, *crowd)]
        sockets.replace([(one.st_dev, one.st_ino, EngineSockets.HTTP) for one in files])
        probes.drain()
        client.connect(str(own))
        client.sendall(POST)
        accepted, _ = engine.accept()
        with accepted:
            for one in crowd.values():
                one.goes_on()
                one.answers()
            accepted.sendall(ANSWER)
            seen = probes.drain()
    assert answers_to_ours(seen) == [ANSWER]


def test_a_plain_user_at_a_chosen_port_hides_no_answer_to_roots_request(probes: Probes) -> None:
    if "on_sent" not in probes.pins.links():
        pytest.skip("cannot run here: this kernel does not let probes read what is sent by TCP")
    address = connections.address("0100007F")
    assert address is not None
    ports = ListeningPorts(probes.pins.map("listening_ports"))
    with contextlib.closing(ports), socket.create_server(("127.0.0.1", 0)) as engine:
        port = engine.getsockname()[1]
        ports.replace([(HERE, port, address)])
        probes.drain()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(POST)
            accepted, _ = engine.accept()
            accepted.recv(65536)
            with accepted, stranger(KNOCK, port, client.getsockname()[1] ^ SAME_PLACE) as other:
                other.answers()
                accepted.sendall(ANSWER)
                seen = probes.drain()
        ports.replace([])
    assert answers_to_ours(seen) == [ANSWER]


def until_it_connects(pid: int, thread: int) -> None:
    """Wait until a thread sleeps in a connect."""
    while "unix_wait_for_peer" not in Path(f"/proc/{pid}/task/{thread}/wchan").read_text():
        time.sleep(0.01)


def connects_of_this_process(seen: list[KernelObservation]) -> list[ApiConnect]:
    connects = [one for one in seen if isinstance(one, ApiConnect)]
    return [one for one in connects if one.caller.pid == os.getpid()]


def test_connects_of_a_plain_user_that_wait_hide_none_of_roots(
    probes: Probes, tmp_path: Path
) -> None:
    """Of an engine that nothing knows yet: its path shows it."""
    if "on_connect_unix" not in probes.pins.links():
        pytest.skip("cannot run here: needs cgroup/connect_unix, of Linux 6.7")
    own = tmp_path / "own.sock"
    place = tempfile.TemporaryDirectory(dir="/tmp")
    with place as directory, socket.socket(socket.AF_UNIX) as engine:
        os.chown(directory, OTHER_USER, OTHER_USER)
        engine.bind(str(own))
        engine.listen(0)
        probes.drain()
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            first.connect(str(own))
            waiting = threading.Thread(target=second.connect, args=(str(own),))
            waiting.start()
            assert waiting.native_id is not None
            until_it_connects(os.getpid(), waiting.native_id)
            with stranger(WAIT, f"{directory}/s", WAITING) as others:
                others.answers()
                accepted, _ = engine.accept()
                waiting.join()
                accepted.close()
                seen = probes.drain()
                others.process.kill()
    assert [one.socket for one in connects_of_this_process(seen)] == [str(own)] * 2


def test_connects_of_a_plain_user_to_a_busy_port_hide_none_of_roots(probes: Probes) -> None:
    address = connections.address("0100007F")
    assert address is not None
    ports = ListeningPorts(probes.pins.map("listening_ports"))
    with contextlib.closing(ports), socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        engine.listen(0)
        port = engine.getsockname()[1]
        ports.replace([(HERE, port, address)])
        with socket.create_connection(("127.0.0.1", port)), socket.socket() as client:
            probes.drain()
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", port))
            with stranger(WAIT_AT_PORT, port, WAITING) as others:
                others.answers()
                others.process.kill()
                engine.accept()[0].close()
                assert select.select([], [client], [], 20.0)[1]
            seen = probes.drain()
        ports.replace([])
    assert len(connects_of_this_process(seen)) == 1

"""Behind a process that listens and talks to an engine stands the client connected to it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from sensor.bpf.socket_filter import EngineSockets, ListeningPorts
from sensor.model.api_calls import ApiConnect, ApiHop, ApiRequest, Caller, Listener
from sensor.model.process import ProcessKey
from sensor.model.vocabulary import Witness
from sensor.sources.connections import TcpSocket, serves_others
from sensor.sources.relays import LOOK_AGAIN, PORTS_MAX, RelayFinder, read_caller

PATIENCE = 20.0
RELAY = """
import os, socket, sys
kind = sys.argv[1]
if kind == "tcp":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
else:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(kind)
    listener.listen()
    print(kind, flush=True)
if sys.argv[2] == "forks":
    while True:
        accepted, _ = listener.accept()
        if not os.fork():
            print(os.getpid(), flush=True)
            sys.stdin.read()
            os._exit(0)
else:
    held = [listener.accept() for _ in range(int(sys.argv[2]) if sys.argv[2].isdigit() else 1)]
    if len(sys.argv) > 3 and sys.argv[3].isdigit():
        engine = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    elif len(sys.argv) > 3:
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(sys.argv[3])
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""
CLIENT = ["/usr/bin/perl", "-MIO::Socket::INET", "-MIO::Socket::UNIX", "-e"]
BY_TCP = "$s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $ARGV[0]) or die; <STDIN>"
BY_PATH = "$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die; <STDIN>"


ENGINE = """
use IO::Socket::UNIX;
my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 5) or die;
$| = 1; print "ready\\n"; my $held = $listener->accept; <STDIN>
"""


class Files:
    """The maps that the probes would read."""

    def __init__(self) -> None:
        self.relayed: list[tuple[int, int]] = []

    def relay(self, sockets: list[tuple[int, int]]) -> None:
        self.relayed = list(sockets)


class Ports:
    """The map of ports that the probes would read."""

    def __init__(self) -> None:
        self.watched: list[tuple[int, int]] = []

    def relay(self, ports: Iterable[tuple[int, int]]) -> None:
        self.watched = list(ports)


def share_of(caller: Caller) -> str | None:
    return f"uid {caller.uid}" if caller.uid else None


class Finding:
    """A finder, and what it emits."""

    def __init__(self, share: Callable[[Caller], str | None] = share_of) -> None:
        self.files = Files()
        self.hops: queue.Queue[ApiHop] = queue.Queue()
        self.ports = Ports()
        files, ports = cast(EngineSockets, self.files), cast(ListeningPorts, self.ports)
        self.finder = RelayFinder(files, ports, self.hops.put, share)

    def see(self, caller: Caller, connection: int = 1) -> None:
        self.finder.see(ApiRequest(5, "cpu0:1", caller, "/run/docker.sock", b"POST", connection))

    def settle(self) -> None:
        """Wait until everything that was seen was looked at."""
        self.finder.close()

    def hop(self) -> ApiHop:
        return self.hops.get(timeout=PATIENCE)


@pytest.fixture
def finding() -> Iterator[Finding]:
    made = Finding()
    yield made
    made.finder.close()


class Process:
    """A child that runs until its standard input ends."""

    def __init__(self, *words: str) -> None:
        self.child = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        return self.child.pid

    def line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def close(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    made: list[Process] = []
    yield made
    for one in made:
        one.close()


def relayed(
    processes: list[Process], where: str, how: str = "serves"
) -> tuple[Process, Process, int, str]:
    """A relay, its client, the pid that serves the client, and the address."""
    relay = Process(sys.executable, "-I", "-c", RELAY, where, how)
    processes.append(relay)
    address = relay.line()
    client = Process(*CLIENT, BY_TCP if where == "tcp" else BY_PATH, address)
    processes.append(client)
    return relay, client, int(relay.line()), address


def key_of(pid: int) -> ProcessKey:
    caller = read_caller(pid)
    assert caller is not None
    assert caller.start_time is not None
    return ProcessKey(pid, caller.start_time)


def caller_of(pid: int) -> Caller:
    caller = read_caller(pid)
    assert caller is not None
    return caller


@pytest.mark.parametrize("how", ["serves", "forks"])
def test_who_is_connected_to_a_relay_over_loopback_is_found(
    finding: Finding, processes: list[Process], how: str
) -> None:
    _, client, serving, port = relayed(processes, "tcp", how)
    finding.see(caller_of(serving))
    hop = finding.hop()
    assert (hop.witness, hop.address) == (Witness.PROCFS, f"tcp:127.0.0.1:{port}")
    assert hop.relay == key_of(serving)
    assert hop.caller.pid == client.pid
    assert hop.caller.argv is not None
    assert hop.caller.argv[-1] == port
    namespace = Path("/proc/self/ns/net").stat().st_ino
    assert finding.ports.watched == [(namespace, int(port))]


MANY = """
import os, socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
paths = []
for number in range(int(sys.argv[1])):
    one = socket.socket(socket.AF_UNIX)
    one.bind(f"{sys.argv[2]}/{number}.sock")
    one.listen()
    paths.append(one)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_users_relays_push_out_no_port_and_no_file_of_roots(
    processes: list[Process], tmp_path: Path
) -> None:
    theirs: set[int] = set()
    finding = Finding(lambda caller: "uid 1001" if caller.pid in theirs else None)
    place = tmp_path / "proxy.sock"
    _, _, by_port, port = relayed(processes, "tcp")
    _, _, by_path, _ = relayed(processes, str(place))
    finding.see(caller_of(by_port), 1)
    finding.see(caller_of(by_path), 2)
    for number in range(3):
        directory = tmp_path / str(number)
        directory.mkdir()
        many = Process(sys.executable, "-I", "-c", MANY, str(PORTS_MAX), str(directory))
        processes.append(many)
        assert many.line() == "ready"
        theirs.add(many.pid)
        finding.see(caller_of(many.pid), 10 + number)
    finding.settle()
    assert int(port) in {watched for _, watched in finding.ports.watched}
    assert len(finding.ports.watched) == 1 + PORTS_MAX // 8
    assert (place.stat().st_dev, place.stat().st_ino) in finding.files.relayed
    assert len(finding.files.relayed) == 1 + PORTS_MAX // 8


TABLE = (
    TcpSocket("0100007F", 2375, "0100007F", 40001, "01", 11),
    TcpSocket("0100007F", 40001, "0100007F", 2375, "01", 21),
    TcpSocket("0200000A", 2375, "0900000A", 40002, "01", 12),
    TcpSocket("0100007F", 2375, "00000000", 0, "0A", 10),
)


@pytest.mark.parametrize(("own", "others"), [({10, 11}, False), ({10, 11, 12}, True)])
def test_a_relay_that_serves_another_host_is_known_by_its_sockets(
    own: set[int], *, others: bool
) -> None:
    assert serves_others(frozenset(own), frozenset({2375}), TABLE) is others


def test_who_is_connected_to_a_relay_through_a_unix_socket_is_found(
    finding: Finding, processes: list[Process], tmp_path: Path
) -> None:
    place = tmp_path / "proxy.sock"
    _, client, serving, _ = relayed(processes, str(place))
    finding.see(caller_of(serving))
    hop = finding.hop()
    assert (hop.caller.pid, hop.address) == (client.pid, str(place))
    assert finding.files.relayed == [(place.stat().st_dev, place.stat().st_ino)]


def test_the_engine_at_the_other_side_of_a_relay_is_not_behind_it(
    finding: Finding, processes: list[Process], tmp_path: Path
) -> None:
    """relay-to-the-socket: both sides of socat are unix sockets."""
    place, socket = tmp_path / "proxy.sock", tmp_path / "engine.sock"
    engine = Process(*CLIENT[:3], "-e", ENGINE, str(socket))
    processes.append(engine)
    assert engine.line() == "ready"
    relay = Process(sys.executable, "-I", "-c", RELAY, str(place), "serves", str(socket))
    processes.append(relay)
    relay.line()
    client = Process(*CLIENT, BY_PATH, str(place))
    processes.append(client)
    finding.see(caller_of(int(relay.line())))
    finding.settle()
    assert [hop.caller.pid for hop in finding.hops.queue] == [client.pid]


def test_who_is_behind_a_relay_of_a_relay_is_found(
    finding: Finding, processes: list[Process]
) -> None:
    """relay-to-the-socket: two relays of the same program, one behind the other."""
    inner = Process(sys.executable, "-I", "-c", RELAY, "tcp", "serves")
    outer = Process(sys.executable, "-I", "-c", RELAY, "tcp", "serves", inner.line())
    processes += (inner, outer)
    client = Process(*CLIENT, BY_TCP, outer.line())
    processes.append(client)
    assert int(outer.line()) == outer.pid
    finding.see(caller_of(int(inner.line())))
    first, second = finding.hop(), finding.hop()
    assert (first.relay, first.caller.pid) == (key_of(inner.pid), outer.pid)
    assert (second.relay, second.caller.pid) == (key_of(outer.pid), client.pid)


def test_a_relay_is_looked_at_for_each_request_of_a_connection(
    finding: Finding, processes: list[Process]
) -> None:
    """relay-to-the-socket: haproxy sends what several ask over one connection."""
    relay = Process(sys.executable, "-I", "-c", RELAY, "tcp", "2")
    processes.append(relay)
    port = relay.line()
    clients = [Process(*CLIENT, BY_TCP, port) for _ in range(2)]
    processes += clients
    serving = caller_of(int(relay.line()))
    finding.see(serving)
    assert {finding.hop().caller.pid for _ in clients} == {one.pid for one in clients}
    clients[0].close()
    time.sleep(LOOK_AGAIN)
    finding.see(serving)
    assert finding.hop().caller.pid == clients[1].pid
    finding.settle()
    assert finding.hops.empty()


def test_what_the_probes_see_at_a_relays_port_is_a_hop(
    finding: Finding, processes: list[Process]
) -> None:
    relay, _, serving, port = relayed(processes, "tcp", "forks")
    finding.see(caller_of(serving))
    finding.hop()
    caller = caller_of(processes[0].pid)
    connect = ApiConnect(
        9, Witness.KERNEL, "cpu0:9", caller, f"tcp:127.0.0.1:{port}", connection=4, port=40001
    )
    hop = finding.finder.hop_of(connect)
    assert hop is not None
    assert (hop.time, hop.witness, hop.relay) == (9, Witness.KERNEL, key_of(relay.pid))
    other = ApiConnect(9, Witness.KERNEL, "cpu0:9", caller, "tcp:127.0.0.1:1", port=40001)
    assert finding.finder.hop_of(other) is None


@pytest.mark.parametrize(
    ("listener", "leads"),
    [
        (None, True),
        (Listener(os.geteuid(), 1, 2, privileged=False), True),
        (Listener(0, 1, 2, privileged=True), True),
        (Listener(65_534, 1, 2, privileged=False), False),
    ],
    ids=["unknown", "its-own-user", "root-for-it", "another-user"],
)
def test_a_path_that_another_user_spells_as_a_relays_leads_to_no_relay(
    finding: Finding,
    processes: list[Process],
    tmp_path: Path,
    listener: Listener | None,
    *,
    leads: bool,
) -> None:
    """relay-to-the-socket: bound in a mount namespace of the user's own."""
    path = str(tmp_path / "relay.sock")
    _, _, serving, _ = relayed(processes, path)
    finding.see(caller_of(serving))
    finding.hop()
    connect = ApiConnect(9, Witness.KERNEL, "cpu0:9", caller_of(processes[0].pid), path)
    found = finding.finder.hop_of(replace(connect, listener=listener))
    assert (found is not None) is leads


def test_a_process_that_does_not_listen_is_not_a_relay(
    finding: Finding, processes: list[Process]
) -> None:
    _, client, _, _ = relayed(processes, "tcp")
    finding.see(caller_of(client.pid))
    finding.settle()
    assert finding.hops.empty()
    assert finding.ports.watched == []


def test_a_process_that_is_gone_is_passed_over(finding: Finding) -> None:
    process = Process(sys.executable, "-I", "-c", "input()")
    caller = caller_of(process.pid)
    process.close()
    finding.see(caller)
    finding.settle()
    assert finding.hops.empty()
    assert read_caller(process.pid) is None

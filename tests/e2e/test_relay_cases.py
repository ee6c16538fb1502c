"""Relays on real engines: the client behind one is the cause."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.requirements import need
from lab.waiting import until
from tests.e2e.asking import CALLER, LOGIN, argv, ask, cause, typed

pytestmark = pytest.mark.e2e


def asked_here(address: Path | str, target: str) -> None:
    """Send a request to an engine from this process."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(address))
        connection.request("POST", target)
        assert connection.getresponse().status < 300


RELAY = """
import socket, sys, threading
def pump(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    client = listener.accept()[0]
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(sys.argv[1])
    for pair in ((client, engine), (engine, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
"""What socat and haproxy do, as one process that serves all connections."""


@pytest.fixture
def relay_port(docker: Dockerd) -> Iterator[int]:
    program = [sys.executable, "-I", "-c", RELAY, str(docker.address)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        yield int(relay.stdout.readline())
        relay.kill()


def test_a_client_behind_a_relay_is_the_cause(
    agent: Agent, docker: Dockerd, relay_port: int
) -> None:
    """relay-to-the-socket."""
    name = unique("relayed")
    host = f"tcp://127.0.0.1:{relay_port}"
    words = ("-H", host, "run", "-d", "--name", name, IMAGE, "sleep", "60")
    container = typed(docker, *words, DOCKER_HOST="")
    event = agent.one_start(container)
    assert cause(event)[:2] == ("first", "user_command"), event["candidates"]
    assert cause(event)[2] in ("exact", "inferred")
    assert event["initiator"]["user"]["auid"] == LOGIN


def test_a_command_below_a_program_with_visitors_is_the_cause(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """relay-to-the-socket, the other way: a build server asks an engine, and runs commands."""
    ran = docker.cli("create", IMAGE, "true").stdout.strip()
    listener = socket.create_server(("127.0.0.1", 0))
    visit = ["socat", "-u", f"TCP:127.0.0.1:{listener.getsockname()[1]}", "STDOUT"]
    with listener, subprocess.Popen(visit) as visitor:
        accepted, _ = listener.accept()
        with accepted:
            asked_here(docker.address, f"/v1.41/containers/{ran}/start")
            by_request = agent.one_start(ran)
            typed(docker, "run", "-d", "--cidfile", str(place / "id"), IMAGE, "true")
            started = agent.one_start((place / "id").read_text())
            ask(docker.address, f"/v1.41/containers/{ran}/restart?t=0")
            script = agent.exactly(2, "start", ran)[1]
        visitor.wait(30)
    assert cause(by_request)[1] == "api_client"
    assert cause(started) == ("first", "user_command", "exact")
    assert "run -d" in argv(started)
    assert "restart" in argv(script)


def test_a_relay_between_two_unix_sockets_is_not_the_engine(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """relay-to-the-socket."""
    need("socat")
    relay = place / "relay.sock"
    program = ["socat", f"UNIX-LISTEN:{relay},fork", f"UNIX-CONNECT:{docker.address}"]
    container = docker.cli("create", IMAGE, "sleep", "60").stdout.strip()
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as running:
        try:
            until(relay.exists, "the relay listens")
            ask(relay, f"/containers/{container}/start")
        finally:
            running.terminate()
    event = agent.one_start(container)
    assert cause(event)[:2] == ("first", "api_client"), event["candidates"]
    assert CALLER.split(maxsplit=1)[0] in argv(event)

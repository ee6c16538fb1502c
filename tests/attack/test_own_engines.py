"""A plain user listens under an engine's name, and asks there for what root starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.strangers import Stranger
from sensor.api.client import AgentClient
from tests.attack.conftest import blames

pytestmark = pytest.mark.e2e

WAITS = """#!/usr/bin/python3
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
held = []
while True:
    held.append(listener.accept())
"""
"""An engine that never answers: what it is asked waits for as long as it runs."""

REFUSES = r"""#!/usr/bin/python3
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
body = b'{"message": "the disk is on fire"}'
head = b"HTTP/1.1 500 No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
while True:
    connection, _ = listener.accept()
    if connection.recv(65536):
        connection.sendall(head % len(body) + body)
    connection.close()
"""

ASKS = r"""
import socket, sys, time
path, name, pause, *verbs = sys.argv[1:]
one = "POST /v1.41/containers/{}/{} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n"
held = []
while True:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        connection.sendall("".join(one.format(name, verb) for verb in verbs).encode())
    except OSError:
        time.sleep(0.1)
        continue
    held = [*held[-7:], connection]
    time.sleep(float(pause))
"""
"""Asks again and again, so that the sensor reads some of it once it has found the engine."""

IN_A_NAMESPACE = """
mount -t tmpfs none /run || exit; engine="$1"; code="$2"; shift 2
"$engine" /run/docker.sock & /usr/bin/python3 -c "$code" /run/docker.sock "$@"
"""
"""The same, where the path is spelled as that of root's engine."""


def ask_for(
    agent: Agent, mallory: Stranger, name: str, pause: str, *verbs: str, engine: Path
) -> None:
    """Have mallory run an engine and ask it, until the probes have read some of that."""
    before = requests_seen(agent)
    place = mallory.home / "docker.sock"
    mallory.begin([engine, place])
    mallory.begin(["/usr/bin/python3", "-c", ASKS, place, name, pause, *verbs])
    agent.wait_for(lambda: requests_seen(agent) > before + 3, "mallory's requests are read", 30)


def requests_seen(agent: Agent) -> int:
    """How many requests to engines the probes have reported."""
    (requests,) = (
        one for one in AgentClient(agent.socket).status().sources if one.name == "requests"
    )
    return requests.observations


@pytest.fixture(params=["dockerd", "podman", "containerd", "dockerd at /run/docker.sock"])
def asked(request: pytest.FixtureRequest, agent: Agent, mallory: Stranger) -> Iterator[str]:
    """The name of a container that mallory asks an engine of mallory's own to start."""
    program, _, path = request.param.partition(" at ")
    name, verbs = unique("web"), ("start", "stop", "restart")
    engine = mallory.file(program, WAITS)
    if path:
        before = requests_seen(agent)
        shell: list[str | Path] = ["unshare", "-Urm", "/bin/sh", "-c", IN_A_NAMESPACE, "sh"]
        mallory.begin([*shell, engine, ASKS, name, "0.2", *verbs])
        agent.wait_for(lambda: requests_seen(agent) > before + 3, "mallory's requests are read", 30)
    else:
        ask_for(agent, mallory, name, "0.2", *verbs, engine=engine)
    yield name
    mallory.end_all()


def test_roots_command_is_the_exact_cause_beside_a_request_to_a_users_own_engine(
    agent: Agent, docker: Dockerd, mallory: Stranger, asked: str
) -> None:
    """sec-forged-client-is-exact, by a socket of the user's own."""
    container = docker.run("--name", asked, "--network", "none", IMAGE, "true")
    start = agent.one_start(container)
    assert start["confidence"]["initiator"] == "exact"
    assert "run" in start["initiator"]["process"]["argv"]
    assert not blames(start, mallory.uid)


def test_a_request_to_a_users_own_engine_does_not_explain_what_an_engine_did_by_itself(
    agent: Agent, docker: Dockerd, mallory: Stranger, asked: str
) -> None:
    """sec-reactivation-disguised: the engine starts it again by its policy."""
    policy = ("--restart", "on-failure:1", "--network", "none")
    container = docker.run("--name", asked, *policy, IMAGE, "sh", "-c", "sleep 1; exit 3")
    _, again = agent.exactly(2, "start", container)
    assert not blames(again, mallory.uid)
    assert (again["start"]["kind"], again["start"]["trigger"]) == ("restart", "restart_policy")
    assert again["start"]["previous"]["ended_by"] == "itself"


def test_the_message_of_a_users_own_engine_explains_no_failure_of_roots(
    agent: Agent, docker: Dockerd, mallory: Stranger
) -> None:
    """sec-refused-request-is-exact: an engine's owner chooses its message."""
    name = unique("web")
    ask_for(agent, mallory, name, "0.01", "start", engine=mallory.file("dockerd", REFUSES))
    docker.cli("run", "--name", name, "--network", "none", IMAGE, "/nowhere", check=False)
    container = docker.cli("inspect", "--format", "{{.Id}}", name).stdout.strip()
    (failure,) = agent.exactly(1, "start_failed", container)
    assert "no such file" in failure["stop"]["message"]
    assert not blames(failure, mallory.uid)

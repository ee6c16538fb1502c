"""An engine that listens on a TCP port: who asks it is found by the connection."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator

import pytest

from lab import processes
from lab.agent import COMMAND, Agent
from lab.containerd import Containerd
from lab.daemon import Daemon
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.requirements import need
from tests.e2e.asking import LOGIN, cause, typed

pytestmark = pytest.mark.e2e


@pytest.fixture
def second_docker(docker: Dockerd, containerd_engine: Containerd, lab: Lab) -> Iterator[str]:
    """An engine that begins after the agent and listens on a port; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = lab.sub(unique("docker-tcp"))
    address = f"tcp://127.0.0.1:{port}"
    engine = Daemon(
        lab,
        home.name,
        [
            *("dockerd", "--data-root", home / "root", "--exec-root", home / "exec"),
            *("--pidfile", home / "pid", "--host", address),
            *("--containerd", containerd_engine.address),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        ],
    )
    archive = home / "image.tar"
    docker.cli("save", "--output", archive, IMAGE)
    engine.start(lambda: at_port(docker, address, "version", check=False).returncode == 0)
    at_port(docker, address, "load", "--input", str(archive))
    yield address
    engine.stop()


def at_port(
    docker: Dockerd, address: str, *words: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return processes.run(docker.command("-H", address, *words), check=check)


def test_who_asks_an_engine_through_a_port_is_the_cause(
    agent: Agent, docker: Dockerd, second_docker: str
) -> None:
    """relay-to-the-socket, the same kind: ``dockerd -H tcp://``."""
    name = unique("by-port")
    words = ("-H", second_docker, "run", "-d", "--network", "none", "--name", name, IMAGE)
    container = typed(docker, *words, "sleep", "60", DOCKER_HOST="")
    event = agent.one_start(container)
    assert cause(event) == ("first", "user_command", "exact"), event["candidates"]
    assert event["initiator"]["user"]["auid"] == LOGIN
    assert event["initiator"]["socket"] == second_docker.replace("tcp://", "tcp:")
    where = second_docker.replace("tcp", "http")
    program = ["curl", "-sf", "-XPOST", f"{where}/containers/{name}/restart?t=0"]
    subprocess.run(program, check=True, timeout=60, stdin=subprocess.DEVNULL)
    restart = agent.exactly(2, "start", container)[-1]
    at_port(docker, second_docker, "rm", "-f", name)
    assert cause(restart) == ("restart", "api_client", "exact"), restart["candidates"]
    assert restart["initiator"]["process"]["argv"] == program


def test_who_asks_it_through_a_relay_is_the_cause(
    agent: Agent, docker: Dockerd, second_docker: str
) -> None:
    """relay-to-the-socket, the same kind: both sides of socat are ports."""
    need("socat")
    name = unique("relayed-port")
    words = ("run", "-d", "--network", "none", "--name", name, IMAGE, "sleep", "60")
    container = at_port(docker, second_docker, *words).stdout.strip()
    agent.one_start(container)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    target = second_docker.removeprefix("tcp://")
    listen = f"TCP-LISTEN:{port},fork,reuseaddr,bind=127.0.0.1"
    with subprocess.Popen(["socat", listen, f"TCP:{target}"], stderr=subprocess.DEVNULL) as relay:
        where = f"http://127.0.0.1:{port}/containers/{name}/restart?t=0"
        program = ["curl", "-sf", "--retry-connrefused", "--retry", "20", "-XPOST", where]
        subprocess.run(program, check=True, timeout=60, stdin=subprocess.DEVNULL)
        relay.terminate()
    event = agent.exactly(2, "start", container)[-1]
    at_port(docker, second_docker, "rm", "-f", name)
    assert cause(event)[:2] == ("restart", "api_client"), event["candidates"]
    assert cause(event)[2] in ("exact", "inferred", "ambiguous")
    if event["initiator"] is not None:
        assert event["initiator"]["process"]["argv"] == program


@pytest.mark.usefixtures("agent")
def test_an_engine_that_listens_on_a_port_is_a_way_to_start_containers(second_docker: str) -> None:
    done = subprocess.run([COMMAND, "access", "-o", "json"], capture_output=True, check=True)
    address = second_docker.removeprefix("tcp://")
    (way,) = [
        one
        for one in map(json.loads, done.stdout.splitlines())
        if one.get("evidence", "").startswith(f"{address}, ")
    ]
    assert way["kind"] == "engine listens on the network"
    assert way["who"] == "every process of this host"
    assert ", asks for nothing (dockerd of root, process " in way["evidence"]
    assert "listens; command line of process" in way["evidence"]

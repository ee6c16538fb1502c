"""A plain user poses as the cause of what root starts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from lab import processes
from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.strangers import Stranger
from tests.attack.conftest import blames

pytestmark = pytest.mark.e2e

DIGITS = tuple("0123456789abcdef")


@pytest.fixture
def name() -> str:
    return unique("web")


@pytest.fixture
def created(docker: Dockerd, name: str) -> str:
    done = docker.cli("create", "--name", name, "--network", "none", IMAGE, "sleep", "300")
    return done.stdout.strip()


def ask(docker: Dockerd, *pieces: bytes, pause: float = 0.1) -> bytes:
    """Send a request to the engine's socket in pieces; return the beginning of its answer."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.connect(str(docker.address))
        for piece in pieces:
            opened.sendall(piece)
            time.sleep(pause)
        opened.settimeout(20)
        return opened.recv(99)


def post(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.fixture
def poses(mallory: Stranger, name: str) -> subprocess.Popen[str]:
    """A process of mallory's whose command line is ``docker start NAME``."""
    mallory.copy("bash", "docker")
    mallory.file("start", "sleep 60\n")
    return mallory.begin(["./docker", "start", name])


@pytest.mark.usefixtures("poses")
def test_roots_command_is_the_exact_cause_beside_one_that_only_looks_alike(
    agent: Agent, docker: Dockerd, mallory: Stranger, created: str, name: str
) -> None:
    """sec-forged-client-is-exact."""
    docker.cli("start", name)
    start = agent.one_start(created)
    assert start["confidence"]["initiator"] == "exact"
    assert start["initiator"]["process"]["argv"][-2:] == ["start", name]
    assert start["initiator"]["user"]["uid"] == 0
    assert not blames(start, mallory.uid)


@pytest.mark.usefixtures("poses")
def test_a_request_in_two_pieces_does_not_make_the_poser_the_cause(
    agent: Agent, docker: Dockerd, mallory: Stranger, created: str, name: str
) -> None:
    """sec-forged-client-is-exact, where the real request is hard to read."""
    request = post(f"/v1.41/containers/{name}/start")
    assert b" 204 " in ask(docker, request[:2], request[2:])
    start = agent.one_start(created)
    assert not blames(start, mallory.uid)
    assert start["start"]["trigger"] in {"api_client", "unknown"}


def test_sixteen_digits_name_no_container(
    agent: Agent, docker: Dockerd, mallory: Stranger, name: str
) -> None:
    """sec-sixteen-digits-name-every-container."""
    mallory.copy("bash", "docker")
    mallory.file("start", "sleep 60\n")
    mallory.begin(["./docker", "start", *DIGITS])
    container = docker.run("--name", name, "--network", "none", IMAGE, "true")
    start = agent.one_start(container)
    assert start["confidence"]["initiator"] == "exact"
    assert not blames(start, mallory.uid)


@pytest.mark.parametrize("verb", ["restart", "start"])
def test_a_forged_restart_makes_no_restart_of_a_reactivation(
    agent: Agent, docker: Dockerd, mallory: Stranger, name: str, verb: str
) -> None:
    """sec-reactivation-disguised (a)."""
    container = docker.run("--name", name, "--network", "none", IMAGE, "sleep", "300")
    agent.exactly(1, "start", container)
    mallory.copy("true", "x/docker")
    mallory.run("x/docker", verb, *DIGITS)
    docker.cli("stop", "--time", "0", name)
    assert b" 204 " in ask(docker, post(f"/v1.41/containers/{name}/start"))
    _, again = agent.exactly(2, "start", container)
    assert again["start"]["kind"] == "reactivation"
    assert not blames(again, mallory.uid)


def test_a_process_called_dockerd_is_not_a_boot_of_the_engine(
    agent: Agent, docker: Dockerd, mallory: Stranger, name: str
) -> None:
    """sec-reactivation-disguised (b)."""
    policy = ("--restart", "unless-stopped", "--network", "none")
    container = docker.run("--name", name, *policy, IMAGE, "sleep", "300")
    agent.exactly(1, "start", container)
    docker.cli("stop", "--time", "0", name)
    mallory.copy("true", "x/dockerd")
    mallory.run("x/dockerd")
    request = post(f"/v1.41/containers/{name}/start")
    assert b" 204 " in ask(docker, request[:1], request[1:])
    _, again = agent.exactly(2, "start", container)
    assert again["start"]["trigger"] != "engine_boot"
    assert again["start"]["kind"] == "reactivation"


def test_who_was_refused_by_the_sockets_permissions_is_not_a_candidate(
    agent: Agent, docker: Dockerd, mallory: Stranger, created: str, name: str, reachable: Lab
) -> None:
    """sec-connect-refused-is-candidate."""
    assert reachable.directory.exists()
    docker.address.parent.chmod(0o711)
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(docker.address)!r})"
    with socket.socket(socket.AF_UNIX) as opened:
        opened.connect(str(docker.address))
        refused = mallory.run(sys.executable, "-c", connect)
        assert "PermissionError" in refused
        request = post(f"/v1.41/containers/{name}/start")
        opened.sendall(request[:2])
        time.sleep(0.1)
        opened.sendall(request[2:])
        assert b" 204 " in opened.recv(99)
    start = agent.one_start(created)
    assert not blames(start, mallory.uid)


def test_a_request_that_the_engine_refused_is_not_the_cause_of_a_later_start(
    agent: Agent, docker: Dockerd, created: str, name: str
) -> None:
    """sec-refused-request-is-exact."""
    chunked = (
        f"POST /v1.41/containers/{name}/start HTTP/1.1\r\nHost: d\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ).encode()
    code = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        f"s.sendall({chunked!r}); print(s.recv(99))\n"
    )
    refused = processes.run([sys.executable, "-c", code, docker.address]).stdout
    assert " 400 " in refused
    request = post(f"/v1.41/containers/{name}/restart?t=0")
    assert b" 204 " in ask(docker, request[:1], request[1:], pause=0.05)
    start = agent.one_start(created)
    assert "chunked" not in str(start["evidence"])
    if start["confidence"]["initiator"] == "exact":
        assert start["initiator"]["process"]["pid"] not in {None, 0}
        assert start["start"]["trigger"] == "api_client"


def test_a_program_called_dockerd_on_the_engines_socket_is_a_client_as_any_other(
    agent: Agent, docker: Dockerd, lab: Lab, created: str, name: str
) -> None:
    """sec-caller-called-dockerd: the engine's name hides no caller."""
    fake = lab.sub("attack") / "dockerd"
    fake.write_text(
        f"#!{sys.executable}\nimport socket, sys, time\n"
        "open('/proc/self/comm', 'w').write('dockerd')\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        f"s.sendall({post(f'/v1.41/containers/{name}/start')!r}); print(s.recv(99))\n"
    )
    fake.chmod(0o755)
    caller = subprocess.Popen([fake, docker.address], stdout=subprocess.PIPE, text=True)
    output, _ = caller.communicate(timeout=30)
    assert " 204 " in output
    start = agent.one_start(created)
    assert start["start"]["trigger"] == "api_client"
    # The caller of the test before may be a candidate beside it: no program here sees it hang up.
    named = [start["initiator"]] if start["initiator"] is not None else start["candidates"]
    assert caller.pid in {one["process"]["pid"] for one in named}


def test_a_poser_that_ended_long_ago_makes_nothing_ambiguous(
    agent: Agent, docker: Dockerd, mallory: Stranger, created: str, name: str
) -> None:
    """sec-forged-client-is-exact, another route: it came and went before."""
    program = mallory.copy("true", "x/docker")
    for _ in range(20):
        mallory.run(program, "start", name)
    docker.cli("start", name)
    start = agent.one_start(created)
    assert start["confidence"]["initiator"] == "exact"
    assert not blames(start, mallory.uid)

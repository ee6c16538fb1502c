"""Ways to start a container that people take now and then, on real engines, each with its cause."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab import processes
from lab.agent import Agent, Event
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.podman import Podman
from lab.requirements import need
from lab.waiting import until
from tests.e2e.asking import LOGIN, STRANGER, argv, cause, typed

pytestmark = pytest.mark.e2e


def login_of(event: Event) -> int | None:
    assert event["initiator"] is not None, event["candidates"]
    user = event["initiator"]["user"]
    return user["auid"] if user is not None else None


def test_a_container_that_is_attached_to_when_it_starts_again(
    agent: Agent, docker: Dockerd
) -> None:
    container = typed(docker, "create", IMAGE, "true")
    typed(docker, "start", "-a", container)
    typed(docker, "start", "-ai", container)
    first, second = agent.exactly(2, "start", container)
    assert cause(first) == ("first", "user_command", "exact")
    assert cause(second) == ("reactivation", "user_command", "exact")
    assert (login_of(first), login_of(second)) == (LOGIN, LOGIN)


def test_a_name_with_a_slash_in_front(agent: Agent, docker: Dockerd) -> None:
    name = unique("slash")
    container = typed(docker, "run", "-d", "--name", f"/{name}", IMAGE, "sleep", "60")
    event = agent.one_start(container)
    assert (event["container"]["name"], *cause(event)) == (name, "first", "user_command", "exact")


PASSED_ON = """
import http.client, os, socket, sys
ours, theirs = socket.socketpair()
if not os.fork():
    os.setresgid(60501, 60501, 60501)
    os.setresuid(60501, 60501, 60501)
    descriptor = socket.recv_fds(theirs, 1, 1)[1][0]
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(fileno=descriptor)
    connection.request("POST", sys.argv[2])
    os._exit(connection.getresponse().status >= 300)
engine = socket.socket(socket.AF_UNIX)
engine.connect(sys.argv[1])
socket.send_fds(ours, [b"x"], [engine.fileno()])
engine.close()
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_connection_that_was_passed_on_is_used_by_who_writes(
    agent: Agent, docker: Dockerd
) -> None:
    container = typed(docker, "create", IMAGE, "sleep", "60")
    program = [sys.executable, "-I", "-c", PASSED_ON, str(docker.address)]
    subprocess.run([*program, f"/containers/{container}/start"], check=True, timeout=60)
    event = agent.one_start(container)
    assert cause(event) == ("first", "api_client", "exact")
    assert event["initiator"]["user"]["uid"] == STRANGER


def test_a_relay_at_an_abstract_name_has_its_client_as_the_cause(
    agent: Agent, docker: Dockerd
) -> None:
    need("socat", "curl")
    container = typed(docker, "create", IMAGE, "sleep", "60")
    name = unique("abstract")
    listen = ["socat", f"ABSTRACT-LISTEN:{name},fork", f"UNIX-CONNECT:{docker.address}"]
    with subprocess.Popen(listen) as relay:
        url = f"http://d/containers/{container}/start"
        curl = ["curl", "-fsS", "--retry", "20", "--retry-all-errors", "--retry-delay", "1"]
        subprocess.run(
            [*curl, "--abstract-unix-socket", name, "-XPOST", url], check=True, timeout=60
        )
        relay.kill()
    event = agent.one_start(container)
    assert event["initiator"] is not None, event["candidates"]
    assert cause(event)[:2] == ("first", "api_client")
    assert argv(event).startswith("curl ")


def test_a_pod_of_podman_that_is_stopped_and_started(agent: Agent, podman: Podman) -> None:
    pod = unique("pod")
    typed(podman, "pod", "create", "--infra=false", "--name", pod)
    typed(podman, "run", "-d", "--pod", pod, "--name", f"{pod}-c", IMAGE, "sleep", "60")
    container = podman.cli("inspect", "-f", "{{.Id}}", f"{pod}-c").stdout.strip()
    typed(podman, "pod", "stop", "-t", "0", pod)
    typed(podman, "pod", "start", pod)
    first, second = agent.exactly(2, "start", container)
    assert cause(first) == ("first", "user_command", "exact")
    assert cause(second)[:2] == ("reactivation", "user_command"), cause(second)
    assert login_of(second) == LOGIN
    assert "pod start" in argv(second)


def test_a_container_that_is_cloned(agent: Agent, podman: Podman) -> None:
    name = unique("cloned")
    typed(podman, "create", "--name", name, "--network=none", IMAGE, "sleep", "60")
    typed(podman, "container", "clone", "--run", name, f"{name}-2")
    container = podman.cli("inspect", "-f", "{{.Id}}", f"{name}-2").stdout.strip()
    event = agent.one_start(container)
    assert cause(event)[:2] == ("first", "user_command"), (cause(event), event["candidates"])
    assert login_of(event) == LOGIN


def test_a_container_of_podman_started_by_a_program_that_ends_at_once(
    agent: Agent, podman: Podman
) -> None:
    """As cron's, at's and a web hook's scripts do: nothing waits for the client."""
    name = unique("orphan")
    command = podman.command("run", "-d", "--name", name, "--network=none", IMAGE, "sleep", "60")
    script = f"setsid {' '.join(command)} >/dev/null 2>&1 &"
    subprocess.run(
        processes.as_login(LOGIN, ["sh", "-c", script]),
        env={**os.environ, **podman.environment},
        check=True,
        timeout=60,
    )
    event = agent.one_start(_id(podman, name))
    assert cause(event)[:2] == ("first", "user_command")
    assert login_of(event) == LOGIN


def _id(podman: Podman, name: str) -> str:
    def found() -> str:
        return podman.cli("inspect", "-f", "{{.Id}}", name, check=False).stdout.strip()

    return until(found, "the container")

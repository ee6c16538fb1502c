"""Docker Swarm for real: a service's tasks, their replacements, and who asked for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from lab.agent import Agent, Event
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.waiting import until
from tests.e2e.asking import LOGIN, argv, cause, typed

pytestmark = pytest.mark.e2e

SERVICE_LABEL = "com.docker.swarm.service.name"
TASK_SECONDS = 30.0


@pytest.fixture
def swarm(docker: Dockerd) -> Iterator[Dockerd]:
    docker.cli("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
    yield docker
    docker.cli("swarm", "leave", "--force")


def tasks(docker: Dockerd, service: str) -> list[str]:
    wanted = f"label={SERVICE_LABEL}={service}"
    return docker.cli("ps", "-aq", "--no-trunc", "--filter", wanted).stdout.split()


def task(docker: Dockerd, service: str, *before: str) -> str:
    """Return the container of a service's next task."""

    def found() -> str | None:
        return next((one for one in tasks(docker, service) if one not in before), None)

    return until(found, f"a task of {service} runs", TASK_SECONDS)


def orchestrated(event: Event) -> tuple[str, str, str]:
    return event["start"]["kind"], event["start"]["trigger"], event["confidence"]["trigger"]


def test_a_services_task_and_its_replacement(agent: Agent, swarm: Dockerd) -> None:
    """swarm-service."""
    name = unique("svc")
    words = ("service", "create", "-q", "-d", "--name", name, "--network", "host", IMAGE)
    typed(swarm, *words, "sleep", "1000")
    first = task(swarm, name)
    event = agent.one_start(first)
    assert orchestrated(event) == ("first", "orchestrator", "exact")
    assert cause(event)[2] == "inferred"
    assert "service create" in argv(event)
    assert event["initiator"]["user"]["auid"] == LOGIN
    swarm.cli("kill", first)
    second = task(swarm, name, first)
    replacement = agent.one_start(second)
    assert orchestrated(replacement) == ("restart", "orchestrator", "exact")
    assert replacement["start"]["previous"]["id"] == first
    swarm.cli("service", "rm", name)


def test_a_service_that_a_program_asked_for(agent: Agent, swarm: Dockerd) -> None:
    """swarm-service, the same kind: ``POST /services/create``."""
    name = unique("svc-api")
    container = {"Image": IMAGE, "Command": ["sleep", "1000"]}
    template = {"ContainerSpec": container, "Networks": [{"Target": "host"}]}
    body = json.dumps({"Name": name, "TaskTemplate": template})
    kind = ["-H", "Content-Type: application/json", "-d", body]
    socket = ["--unix-socket", str(swarm.address)]
    program = ["curl", "-sf", *socket, "-XPOST", *kind, "http://d/services/create"]
    subprocess.run(program, check=True, timeout=60, stdout=subprocess.DEVNULL)
    event = agent.one_start(task(swarm, name))
    assert orchestrated(event) == ("first", "orchestrator", "exact")
    assert cause(event)[2] == "inferred"
    assert event["initiator"]["process"]["argv"][:2] == program[:2]
    swarm.cli("service", "rm", name)

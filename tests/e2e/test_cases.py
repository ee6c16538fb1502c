"""Situations that people meet, on real engines: who caused the start, and of what kind.

The tests of ``tests/correlate/test_*_cases.py`` show the variants of each kind without an engine.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.agent import COMMAND, Agent, Event
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.waiting import until
from tests.e2e.asking import LOGIN, STRANGER, argv, ask, cause, program, typed

pytestmark = pytest.mark.e2e


def test_a_plugin_and_its_client_are_one_cause(agent: Agent, docker: Dockerd, place: Path) -> None:
    """compose-v2-up."""
    container = docker.cli("create", IMAGE, "sleep", "60").stdout.strip()
    plugins = place / "cli-plugins"
    plugins.mkdir()
    plugin = plugins / "docker-compose"
    metadata = json.dumps({"SchemaVersion": "0.1.0", "Vendor": "x", "Version": "v2"})
    docker_command = " ".join(docker.command("start", container))
    plugin.write_text(
        f"#!/bin/sh\nif [ $1 = docker-cli-plugin-metadata ]; then echo '{metadata}'; exit; fi\n"
        f"{docker_command}; true\n"
    )
    plugin.chmod(0o755)
    typed(docker, "compose", "up", "-d", DOCKER_CONFIG=str(place))
    event = agent.one_start(container)
    assert cause(event) == ("first", "user_command", "exact")
    assert argv(event).endswith("compose up -d")
    assert event["initiator"]["user"]["auid"] == LOGIN


def test_the_request_decides_and_not_the_gap(agent: Agent, docker: Dockerd) -> None:
    """api-stop-then-start."""
    container = docker.run(IMAGE, "sleep", "60")
    path = f"/containers/{container}"
    ask(docker.address, f"{path}/stop?t=0", f"{path}/start")
    agent.exactly(2, "start", container)
    ask(docker.address, f"{path}/restart?t=0")
    _, second, third = agent.exactly(3, "start", container)
    assert cause(second)[:2] == ("reactivation", "api_client")
    assert cause(third)[:2] == ("restart", "api_client")


def test_a_name_that_is_used_again_means_the_new_container(agent: Agent, docker: Dockerd) -> None:
    """name-used-again."""
    name = unique("job")
    old = docker.cli("create", "--name", name, IMAGE, "sleep", "60").stdout.strip()
    typed(docker, "start", name)
    agent.one_start(old)
    docker.cli("rm", "-f", name)
    new = typed(docker, "run", "-d", "--name", name, IMAGE, "sleep", "60")
    event = agent.one_start(new)
    assert cause(event) == ("first", "user_command", "exact")
    assert f"--name {name}" in argv(event)


def test_a_renamed_container_stops_under_its_new_name(agent: Agent, docker: Dockerd) -> None:
    """docker-rename."""
    old, new = unique("tmp"), unique("web")
    container = docker.run("--name", old, IMAGE, "sleep", "60")
    agent.one_start(container)
    docker.cli("rename", old, new)
    until(lambda: new in (known(agent, container) or ()), "the new name is known")
    docker.cli("rm", "-f", new)
    assert agent.one_stop(container)["container"]["name"] == new


def known(agent: Agent, container: str) -> tuple[str, ...] | None:
    done = subprocess.run(
        [COMMAND, "containers", "-a", "-o", "json", "--socket", agent.socket],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return next(((one["name"],) for one in lines if one["id"] == container), None)


def test_a_parent_cgroup_like_a_builds_hides_nothing(agent: Agent, docker: Dockerd) -> None:
    """cgroup-parent-like-a-build."""
    container = docker.run("--cgroup-parent=/docker/buildkit", IMAGE, "sleep", "60")
    assert agent.one_start(container)["container"]["name"] is not None
    docker.cli("rm", "-f", container)
    agent.one_stop(container)


def test_the_steps_of_a_classic_build_have_its_command_as_cause(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """classic-build."""
    (place / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN true\n")
    mark = unique("build")
    typed(
        docker,
        *("build", "--network", "none", "--no-cache", "-t", mark, str(place)),
        DOCKER_BUILDKIT="0",
    )
    found: list[Event] = []

    def seen() -> bool:
        found[:] = [
            event
            for event in agent.events
            if event["type"] == "container.start"
            and event["initiator"] is not None
            and mark in argv(event)
        ]
        return bool(found)

    until(seen, "the step's start is reported with the build as its cause")
    assert cause(found[0])[1] == "user_command"
    docker.cli("rmi", mark)


def test_the_steps_of_a_build_by_the_api_have_its_caller_as_cause(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """classic-build, the same kind: ``POST /build``."""
    (place / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN true\n")
    archive, mark = place / "context.tar", unique("build")
    subprocess.run(["tar", "cf", archive, "-C", place, "Dockerfile"], check=True, timeout=30)
    target = f"http://d/build?t={mark}&networkmode=none&nocache=1"
    kind = ["-H", "Content-Type: application/x-tar", "--data-binary", f"@{archive}"]
    program = ["curl", "-sf", "--unix-socket", str(docker.address), "-XPOST", *kind, target]
    before = len(agent.events)
    subprocess.run(program, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def step() -> Event | None:
        found = [one for one in agent.events[before:] if one["type"] == "container.start"]
        return next((one for one in found if one["initiator"] and mark in argv(one)), None)

    event = until(step, "the step's start is reported with the caller as its cause")
    assert cause(event)[1:] == ("api_client", "inferred")
    docker.cli("rmi", mark)


def test_a_process_that_is_only_called_a_client_is_not_a_candidate(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """sec-forged-client-is-exact."""
    name = unique("web")
    container = docker.cli("create", "--name", name, IMAGE, "sleep", "60").stdout.strip()
    fake = program(place, "docker", "sleep")
    (place / "start").write_text("sleep 20")
    shell = program(place, "docker", "bash")
    assert fake == shell
    forged = subprocess.Popen(
        [shell, "start", name], cwd=place, user=STRANGER, group=STRANGER, extra_groups=[]
    )
    try:
        typed(docker, "start", name)
        event = agent.one_start(container)
        assert cause(event) == ("first", "user_command", "exact")
        assert event["initiator"]["user"]["auid"] == LOGIN
    finally:
        forged.kill()
        forged.wait()

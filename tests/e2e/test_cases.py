"""Situations that people meet, on real engines: who caused the start, and of what kind.

The tests of ``tests/correlate/test_*_cases.py`` show the variants of each kind without an engine.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.agent import COMMAND, Agent, Event
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.podman import Podman
from lab.requirements import need
from lab.runc import Runc
from lab.waiting import until

pytestmark = pytest.mark.e2e

STRANGER = 60_501
"""A user of no account."""

LOGIN = 2001

LIMITS = ("--ulimit", "nofile=1024:20000", "--ulimit", "nproc=1024:4096")
"""What podman's remote client asks for otherwise, a host with low limits refuses."""

CALLER = """
import http.client, socket, sys
path, *targets = sys.argv[1:]
for target in targets:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("POST", target)
    answer = connection.getresponse()
    assert answer.status < 300, (target, answer.status, answer.read())
"""


def cause(event: Event) -> tuple[str, str, str]:
    """The kind, the trigger, and how sure the initiator is."""
    start, confidence = event["start"], event["confidence"]
    return start["kind"], start["trigger"], confidence["initiator"]


def argv(event: Event) -> str:
    return " ".join(event["initiator"]["process"]["argv"])


def asked_here(address: Path | str, target: str) -> None:
    """Send a request to an engine from this process."""
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(address))
        connection.request("POST", target)
        assert connection.getresponse().status < 300


def ask(address: Path | str, *targets: str) -> None:
    """Send requests to an engine, one after the other, from one program."""
    subprocess.run(
        [sys.executable, "-I", "-c", CALLER, str(address), *targets], check=True, timeout=60
    )


def typed(docker: Dockerd, *words: str, **environment: str) -> str:
    done = subprocess.run(
        processes.as_login(LOGIN, docker.command(*words)),
        env={**os.environ, **docker.environment, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that any user may use, for programs of any name."""
    path = Path("/var/tmp") / unique("place")
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


def program(place: Path, name: str, like: str, owner: int = STRANGER) -> Path:
    """Copy a program to another name."""
    found = shutil.which(like)
    assert found is not None
    path = place / name
    shutil.copy2(found, path)
    os.chown(place, owner, owner)
    return path


def as_stranger(*words: str | Path, cwd: Path, check: bool = False) -> None:
    subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=check,
        timeout=30,
    )


# ------------------------------------------------------------------ who asked


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


# ------------------------------------------------------------------ strangers


def test_a_strangers_runtime_commands_change_nothing(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """sec-forged-runtime-commands."""
    container = docker.run(IMAGE, "sleep", "60")
    agent.one_start(container)
    ghost = unique("ghost")
    fake = program(place, "runc", "true")
    for verb in ("pause", "resume", "kill", "delete"):
        as_stranger(fake, verb, container, cwd=place)
    as_stranger(fake, "restore", ghost, cwd=place)
    failing = program(place, "crun", "false")
    as_stranger(failing, "create", ghost, cwd=place)
    agent.settle()
    about = [one["type"] for one in agent.of(container)]
    assert about == ["container.start"]
    assert agent.mentioning(ghost) == []


def test_a_strangers_start_takes_nothing_from_a_running_container(
    agent: Agent, docker: Dockerd, place: Path
) -> None:
    """sec-forged-start-takes-a-running-container."""
    container = docker.run(IMAGE, "sleep", "60")
    agent.one_start(container)
    shell = program(place, "runc", "bash")
    (place / "run").write_text("unshare -Urpf --kill-child sleep 0.2\n")
    as_stranger(shell, "run", container, cwd=place)
    agent.settle()
    assert [one["type"] for one in agent.of(container)] == ["container.start"]
    docker.cli("rm", "-f", container)
    agent.one_stop(container)


# ------------------------------------------------------------------ podman


def test_podmans_restart_policy_is_its_own(agent: Agent, podman: Podman) -> None:
    """podman-restart-policy."""
    container = podman.run("--restart=on-failure:2", IMAGE, "false")
    first, second, third = agent.exactly(3, "start", container)
    assert cause(first) == ("first", "user_command", "exact")
    for event in (second, third):
        assert cause(event) == ("restart", "restart_policy", "none")
        assert event["initiator"] is None


def test_podmans_service_with_options_is_an_engine(
    agent: Agent, podman: Podman, place: Path
) -> None:
    """podman-service-options."""
    socket = place / "pod.sock"
    words = ("--log-level", "error", "system", "service", "--time", "0", f"unix://{socket}")
    environment = {**os.environ, **podman.environment}
    with subprocess.Popen(podman.command(*words), env=environment) as service:
        try:
            until(socket.exists, "podman's socket is there")
            remote = ["podman", "--url", f"unix://{socket}"]
            done = subprocess.run(
                [*remote, "run", "-d", "--network", "none", *LIMITS, IMAGE, "sleep", "60"],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                env=environment,
            )
            assert done.returncode == 0, done.stderr
            container = done.stdout.strip()
            agent.one_start(container)
            ask(socket, f"/v4.0.0/libpod/containers/{container}/restart?t=0")
            first, second = agent.exactly(2, "start", container)
            podman.cli("rm", "-f", "-t", "0", container)
        finally:
            service.terminate()
            service.wait(30)
    assert cause(first)[1] == "user_command"
    assert "system service" not in argv(first)
    assert cause(second)[:2] == ("restart", "api_client")


# ------------------------------------------------------------------ runtimes by hand


def test_a_runtimes_options_may_be_spelled_as_go_takes_them(agent: Agent, runc: Runc) -> None:
    """sec-runtime-options-in-gos-spelling."""
    name = unique("dashes")
    bundle = runc.bundle(name, "true")
    subprocess.run(
        [str(word) for word in runc.command("run", "--b", bundle, name)],
        check=True, timeout=30, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert cause(agent.one_start(name)) == ("first", "direct_runtime", "exact")


def test_a_runtime_below_a_shell_called_runc_is_reported(
    agent: Agent, runc: Runc, place: Path
) -> None:
    """sec-below-a-shell-called-runc: by its id, or as a container of unknown id."""
    name = unique("below")
    bundle = runc.bundle(name, "true")
    words = " ".join(str(word) for word in runc.command("run", "--bundle", bundle, name))
    shell = program(place, "runc", "bash", owner=0)
    before = len(agent.events)
    subprocess.run([shell, "-c", f"{words}; true"], check=True, timeout=30)

    def seen() -> bool:
        return any(
            event["type"] == "container.start" and event["container"]["id"] in (None, name)
            for event in agent.events[before:]
        )

    until(seen, "the start is reported")


def test_a_renamed_runtime_may_use_whatever_cgroup(agent: Agent, runc: Runc, place: Path) -> None:
    """sec-renamed-runtime-own-cgroup-path."""
    name = unique("renamed")
    bundle = Path(runc.bundle(name, "sleep", "0.2"))
    config = json.loads((bundle / "config.json").read_text())
    config["linux"]["cgroupsPath"] = f"/{unique('innocuous')}"
    (bundle / "config.json").write_text(json.dumps(config))
    renamed = program(place, "innocent", "runc", owner=0)
    _, *words = runc.command("run", "--bundle", bundle, name)
    subprocess.run([renamed, *map(str, words)], check=True, timeout=30, stdin=subprocess.DEVNULL)
    event = agent.one_start(name)
    assert cause(event)[0] == "first"
    assert event["container"]["oci_runtime"] == "innocent"

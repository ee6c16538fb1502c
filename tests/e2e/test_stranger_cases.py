"""Other users, podman's helpers and runtimes by hand, on real engines."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.podman import Podman
from lab.runc import Runc
from lab.waiting import until
from tests.e2e.asking import STRANGER, argv, ask, cause, program

LIMITS = ("--ulimit", "nofile=1024:20000", "--ulimit", "nproc=1024:4096")
"""What podman's remote client asks for otherwise, a host with low limits refuses."""

pytestmark = pytest.mark.e2e


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

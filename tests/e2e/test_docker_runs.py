"""Docker: later starts, ends, pauses and containers in containers."""

from __future__ import annotations

import signal

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE
from lab.waiting import until

pytestmark = pytest.mark.e2e


def test_start_of_a_stopped_container_is_a_reactivation(agent: Agent, docker: Dockerd) -> None:
    container, _ = docker.run_to_end(IMAGE, "sh", "-c", "exit 7")
    docker.cli("start", "--attach", container, check=False)
    first, second = agent.exactly(2, "start", container)
    assert_has(first, start=FIRST)
    assert_has(
        second,
        container={"image": {"name": IMAGE}},
        start={
            "kind": "reactivation",
            "previous": {
                "id": container,
                "started": first["time"],
                "stopped": agent.stops(container)[0]["time"],
                "exit_code": 7,
                "signal": None,
            },
        },
    )
    assert 0 < second["start"]["dormant_seconds"] < 30
    assert first["id"] != second["id"]


def test_restart_is_a_restart(agent: Agent, docker: Dockerd) -> None:
    container = docker.run(IMAGE)
    docker.cli("restart", "--time", "0", container)
    first, second = agent.exactly(2, "start", container)
    assert_has(first, start=FIRST)
    assert_has(second, start={"kind": "restart", "previous": {"id": container, "signal": 9}})
    assert_has(agent.one_stop(container), stop={"signal": 9, "exit_code": None})


def test_restart_of_a_container_that_does_not_run_is_not_a_first_start(
    agent: Agent, docker: Dockerd
) -> None:
    container, _ = docker.run_to_end(IMAGE, "true")
    docker.cli("restart", container)
    _, second = agent.exactly(2, "start", container)
    assert_has(second, start={"previous": {"id": container, "exit_code": 0}})
    assert second["start"]["kind"] == "reactivation", "there was nothing to stop"


def test_a_restart_policy_restarts(agent: Agent, docker: Dockerd) -> None:
    container = docker.run("--restart=on-failure:2", IMAGE, "sh", "-c", "exit 8")
    docker.await_exit(container)
    starts = agent.exactly(3, "start", container)
    assert [start["start"]["kind"] for start in starts] == ["first", "restart", "restart"]
    assert [start["start"]["attempt"] for start in starts] == [0, 1, 2]
    assert_has(starts[1], start={"previous": {"exit_code": 8}})
    stops = agent.exactly(3, "stop", container)
    assert [stop["stop"]["exit_code"] for stop in stops] == [8, 8, 8]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda sig: sig.name)
def test_an_engine_that_comes_back_restarts_what_always_runs(
    agent: Agent, docker: Dockerd, number: signal.Signals
) -> None:
    always = docker.run("--restart=always", "--stop-signal=KILL", IMAGE)
    once = docker.run("--stop-signal=KILL", IMAGE)
    docker.stop(number)
    docker.start()
    until(lambda: docker.inspect(always)["State"]["Running"], "the container runs again")
    first, second = agent.exactly(2, "start", always)
    assert_has(first, start=FIRST)
    assert_has(
        second,
        container={"image": {"name": IMAGE}},
        start={"kind": "restart", "previous": {"id": always, "signal": 9}},
    )
    # Who caused it may be left open, but must not be wrong.
    assert second["start"]["trigger"] in {"engine_boot", "unknown"}
    assert_has(agent.one_start(once), start=FIRST)
    assert_has(agent.one_stop(once), stop={"signal": 9})


def test_a_killed_container_shows_its_signal(agent: Agent, docker: Dockerd) -> None:
    container = docker.run(IMAGE)
    docker.cli("kill", container)
    assert_has(
        agent.one_stop(container),
        container={"id": container, "image": {"name": IMAGE}},
        stop={"signal": 9, "exit_code": None, "oom_killed": False},
    )
    agent.one_start(container)


def test_a_stopped_container_shows_how_it_left(agent: Agent, docker: Dockerd) -> None:
    script = "trap 'exit 9' TERM; while :; do sleep 0.1; done"
    container = docker.run(IMAGE, "sh", "-c", script)
    docker.cli("stop", container)
    assert_has(agent.one_stop(container), stop={"signal": None, "exit_code": 9})


def test_a_container_that_takes_too_much_memory_is_reported_as_such(
    agent: Agent, docker: Dockerd
) -> None:
    container = docker.run("--memory=16m", IMAGE, "tail", "/dev/zero")
    state = docker.await_exit(container)
    if not state["OOMKilled"]:
        pytest.skip(f"this machine does not enforce a memory limit: {state}")
    agent.one_start(container)
    assert_has(agent.one_stop(container), stop={"signal": 9, "oom_killed": True})


def test_pause_and_unpause_are_reported_and_are_not_starts(agent: Agent, docker: Dockerd) -> None:
    container = docker.run(IMAGE)
    docker.cli("pause", container)
    docker.cli("unpause", container)
    (pause,) = agent.exactly(1, "pause", container)
    (unpause,) = agent.exactly(1, "unpause", container)
    assert_has(pause, container={"id": container, "image": {"name": IMAGE}})
    assert_has(unpause, container={"id": container})
    agent.one_start(container)
    assert agent.stops(container) == []


def test_a_container_started_inside_a_container_has_it_for_its_parent(
    agent: Agent, docker: Dockerd
) -> None:
    """A container with enough rights runs runc, with a bundle that only it can see."""
    inner = unique("inner")
    script = f"""
        set -e
        mkdir -p /tmp/bundle/rootfs/bin /tmp/bundle/rootfs/proc
        cp /bin/busybox /tmp/bundle/rootfs/bin/sh
        cd /tmp/bundle
        runc spec
        sed -i -e 's/"terminal": true/"terminal": false/' config.json
        sed -i -e 's/"sh"$/"sh","-c","exit 11"/' config.json
        runc --root /tmp/state run {inner}
    """
    rights = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "MKNOD", "SETPCAP")
    outer, code = docker.run_to_end(
        *(f"--cap-add={right}" for right in rights),
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        *("--volume", "/usr:/usr:ro", "--volume", "/usr/lib:/lib:ro"),
        *("--volume", "/usr/lib64:/lib64:ro", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
        *("--tmpfs", "/tmp:exec,dev", IMAGE, "sh", "-c", script),
    )
    if code != 11:
        said = docker.inspect(outer)["State"]["Error"] or docker.cli("logs", outer).stderr
        pytest.skip(f"no runc inside a container here: exit code {code}, {said.strip()}")
    agent.one_start(outer)
    assert_has(
        agent.one_start(inner),
        container={"id": inner, "parents": [outer], "command": ["sh", "-c", "exit 11"]},
        start=FIRST,
    )
    assert_has(agent.one_stop(inner), stop={"exit_code": 11})

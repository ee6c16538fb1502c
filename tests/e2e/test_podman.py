"""Podman with runc: no daemon, each command is the engine."""

from __future__ import annotations

import pytest

from lab.agent import Agent
from lab.engines import unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE, NOT_A_PROGRAM
from lab.podman import Podman

pytestmark = pytest.mark.e2e


def test_a_container_that_ends_at_once_is_reported_with_all_that_it_is(
    agent: Agent, podman: Podman
) -> None:
    name = unique("short")
    container, code = podman.run_to_end("--rm", "--name", name, IMAGE, "true")
    assert code == 0
    start = agent.one_start(container)
    assert_has(
        start,
        container={
            "id": container,
            "name": name,
            "runtime": "podman",
            "oci_runtime": "runc",
            "image": {"name": IMAGE},
            "command": ["true"],
            "cgroup": f"/libpod_parent/libpod-{container}",
            "parents": [],
        },
        start=FIRST,
    )
    assert start["container"]["image"]["id"].removeprefix("sha256:") == podman.image_id()
    assert_has(agent.one_stop(container), container={"name": name}, stop={"exit_code": 0})


def test_start_of_a_stopped_container_is_a_reactivation(agent: Agent, podman: Podman) -> None:
    container, _ = podman.run_to_end(IMAGE, "sh", "-c", "exit 7")
    podman.cli("start", "--attach", container, check=False)
    first, second = agent.exactly(2, "start", container)
    assert_has(first, start=FIRST)
    assert_has(
        second,
        container={"image": {"name": IMAGE}},
        start={
            "kind": "reactivation",
            "previous": {"id": container, "started": first["time"], "exit_code": 7},
        },
    )
    assert second["start"]["dormant_seconds"] > 0


def test_restart_is_a_restart(agent: Agent, podman: Podman) -> None:
    container = podman.run(IMAGE)
    podman.cli("restart", "--time", "0", container)
    first, second = agent.exactly(2, "start", container)
    assert_has(first, start=FIRST)
    assert_has(second, start={"kind": "restart", "previous": {"id": container, "signal": 9}})
    assert_has(agent.one_stop(container), stop={"signal": 9})


def test_a_restart_policy_restarts(agent: Agent, podman: Podman) -> None:
    container, _ = podman.run_to_end("--restart=on-failure:2", IMAGE, "sh", "-c", "exit 8")
    starts = agent.exactly(3, "start", container)
    assert [start["start"]["kind"] for start in starts] == ["first", "restart", "restart"]
    assert [stop["stop"]["exit_code"] for stop in agent.exactly(3, "stop", container)] == [8] * 3


def test_create_alone_is_not_a_start_and_start_after_it_is_the_first(
    agent: Agent, podman: Podman
) -> None:
    container = podman.cli("create", "--network=none", IMAGE, "true").stdout.strip()
    agent.settle()
    assert agent.of(container) == []
    podman.cli("start", "--attach", container)
    assert_has(agent.one_start(container), start=FIRST)


def test_pause_and_unpause_are_reported(agent: Agent, podman: Podman) -> None:
    container = podman.run(IMAGE)
    podman.cli("pause", container)
    podman.cli("unpause", container)
    agent.exactly(1, "pause", container)
    agent.exactly(1, "unpause", container)
    agent.one_start(container)
    assert agent.stops(container) == []


def test_a_killed_container_shows_its_signal(agent: Agent, podman: Podman) -> None:
    container = podman.run(IMAGE)
    podman.cli("kill", container)
    assert_has(agent.one_stop(container), stop={"signal": 9, "exit_code": None})
    agent.one_start(container)


def test_a_stopped_container_shows_how_it_left(agent: Agent, podman: Podman) -> None:
    container = podman.run(IMAGE, "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
    podman.cli("stop", container)
    assert_has(agent.one_stop(container), stop={"signal": None, "exit_code": 9})


def test_exec_is_not_a_start(agent: Agent, podman: Podman) -> None:
    container = podman.run(IMAGE)
    token = unique("exec")
    podman.cli("exec", container, "echo", token)
    agent.one_start(container)
    assert agent.stops(container) == []
    assert agent.mentioning(token) == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--pid=host"], id="pid-of-the-host"),
        pytest.param(["--init", "--init-path=/usr/bin/tini-static"], id="init"),
        pytest.param(["--cgroupns=host"], id="cgroupns-of-the-host"),
        pytest.param(["--cgroups=no-conmon"], id="conmon-outside-its-cgroup"),
        pytest.param(["--read-only"], id="read-only"),
    ],
)
def test_whatever_its_options_a_container_starts_once(
    agent: Agent, podman: Podman, options: list[str]
) -> None:
    container, code = podman.run_to_end(*options, IMAGE, "sh", "-c", "exit 3")
    assert code == 3
    assert_has(
        agent.one_start(container),
        container={"runtime": "podman", "image": {"name": IMAGE}},
        start=FIRST,
    )
    assert_has(agent.one_stop(container), stop={"exit_code": 3})


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/no/such/program", id="refused-at-create"),
        pytest.param(NOT_A_PROGRAM, id="refused-at-the-exec"),
    ],
)
def test_a_container_that_cannot_run_is_a_failed_start(
    agent: Agent, podman: Podman, program: str
) -> None:
    name = unique("failed")
    container, code = podman.run_to_end("--name", name, IMAGE, program)
    assert code != 0
    assert_has(
        agent.exactly(1, "start_failed", container)[0],
        container={"id": container, "name": name, "image": {"name": IMAGE}},
    )
    assert agent.starts(container) == []
    assert agent.stops(container) == []

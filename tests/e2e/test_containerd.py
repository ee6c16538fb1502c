"""containerd with no other engine above it, asked through ctr."""

from __future__ import annotations

import os
import signal

import pytest

from lab import processes
from lab.agent import Agent
from lab.containerd import Containerd
from lab.engines import CGROUP_PARENT, unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE, NOT_A_PROGRAM
from lab.waiting import until

pytestmark = pytest.mark.e2e


def test_an_id_of_any_shape_is_reported_in_full(agent: Agent, containerd: Containerd) -> None:
    container = unique("My_Box.v1.2")
    containerd.run(container, "true", options=("--rm", "--label", "tier=front"))
    assert_has(
        agent.one_start(container),
        container={
            "id": container,
            "runtime": "containerd",
            "oci_runtime": "runc",
            "image": {"name": IMAGE},
            "command": ["true"],
            "cgroup": f"/default/{container}",
            "parents": [],
        },
        start=FIRST,
    )
    assert_has(agent.one_stop(container), container={"id": container}, stop={"exit_code": 0})


def test_one_id_in_two_namespaces_is_two_containers(agent: Agent, containerd: Containerd) -> None:
    container = unique("twin")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    containerd.ctr(
        *("run", "--detach", "--runc-root", containerd.runc_root),
        *(IMAGE, container, "sleep", "3600"),
        namespace="k8s.io",
    )
    starts = agent.exactly(2, "start", container)
    assert {start["container"]["cgroup"] for start in starts} == {
        f"/default/{container}",
        f"/k8s.io/{container}",
    }
    assert [start["start"]["kind"] for start in starts] == ["first", "first"]
    containerd.remove_all("k8s.io")
    (stop,) = agent.exactly(1, "stop", container)
    assert_has(stop, container={"cgroup": f"/k8s.io/{container}"}, stop={"signal": 9})


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--cgroup", f"{CGROUP_PARENT}/elsewhere"], id="cgroup-of-another-name"),
        pytest.param(["--net-host"], id="network-of-the-host"),
        pytest.param(["--read-only"], id="read-only"),
    ],
)
def test_whatever_its_options_a_container_starts_once(
    agent: Agent, containerd: Containerd, options: list[str]
) -> None:
    container = unique("option")
    containerd.run(container, "true", options=("--rm", *options))
    assert_has(agent.one_start(container), container={"image": {"name": IMAGE}}, start=FIRST)
    assert_has(agent.one_stop(container), stop={"exit_code": 0})


def test_a_killed_task_shows_its_signal(agent: Agent, containerd: Containerd) -> None:
    container = unique("killed")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    containerd.ctr("tasks", "kill", "--signal", "SIGKILL", container)
    assert_has(agent.one_stop(container), stop={"signal": 9, "exit_code": None})
    agent.one_start(container)


def test_a_second_task_of_a_container_is_a_reactivation(
    agent: Agent, containerd: Containerd
) -> None:
    container = unique("again")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    containerd.ctr("tasks", "rm", "--force", container)
    containerd.ctr("tasks", "start", "--detach", container)
    first, second = agent.exactly(2, "start", container)
    assert_has(first, start=FIRST)
    assert_has(second, start={"kind": "reactivation", "previous": {"id": container, "signal": 9}})
    assert second["start"]["dormant_seconds"] > 0


def test_create_alone_is_not_a_start(agent: Agent, containerd: Containerd) -> None:
    container = unique("created")
    containerd.ctr("containers", "create", IMAGE, container, "true")
    agent.settle()
    assert agent.of(container) == []
    containerd.ctr("tasks", "start", container)
    assert_has(agent.one_start(container), start=FIRST)


def test_pause_and_resume_are_reported(agent: Agent, containerd: Containerd) -> None:
    container = unique("paused")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    containerd.ctr("tasks", "pause", container)
    containerd.ctr("tasks", "resume", container)
    agent.exactly(1, "pause", container)
    agent.exactly(1, "unpause", container)
    agent.one_start(container)
    assert agent.stops(container) == []


def test_exec_is_not_a_start(agent: Agent, containerd: Containerd) -> None:
    container = unique("host")
    token = unique("exec")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    containerd.ctr("tasks", "exec", "--exec-id", "one", container, "echo", token)
    agent.one_start(container)
    assert agent.mentioning(token) == []


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/no/such/program", id="refused-at-create"),
        pytest.param(NOT_A_PROGRAM, id="refused-at-the-exec"),
    ],
)
def test_a_container_that_cannot_run_is_a_failed_start(
    agent: Agent, containerd: Containerd, program: str
) -> None:
    container = unique("failed")
    done = containerd.ctr(
        *("run", "--rm", "--runc-root", containerd.runc_root, IMAGE, container, program),
        check=False,
    )
    assert done.returncode != 0
    assert_has(
        agent.exactly(1, "start_failed", container)[0],
        container={"id": container, "runtime": "containerd", "image": {"name": IMAGE}},
    )
    assert agent.starts(container) == []
    assert agent.stops(container) == []


def test_a_container_whose_shim_is_killed_is_reported_to_have_stopped(
    agent: Agent, containerd: Containerd
) -> None:
    container = unique("orphan")
    containerd.run(container, "sleep", "3600", options=("--detach",))
    start = agent.one_start(container)
    shim = processes.parent_of(start["container"]["pid"])
    assert shim is not None
    os.kill(shim, signal.SIGKILL)
    until(lambda: container not in containerd.tasks(), "containerd gives the task up")
    assert_has(agent.one_stop(container), stop={"signal": 9})
    agent.one_start(container)

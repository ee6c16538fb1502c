"""runc by hand: no engine knows of these containers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.engines import Lab, unique
from lab.expect import FIRST, assert_has
from lab.image import NOT_A_PROGRAM, BoxImage
from lab.runc import Runc

pytestmark = pytest.mark.e2e


@pytest.fixture
def foo(lab: Lab, image: BoxImage, tmp_path: Path, runc_program: Runc) -> Iterator[Runc]:
    """A copy of runc that nothing in its name or place gives away."""
    program = tmp_path / "foo"
    shutil.copy2(runc_program.program, program)
    renamed = Runc(lab, image, program=program)
    yield renamed
    renamed.remove_all()


def test_run_is_one_start(agent: Agent, runc: Runc) -> None:
    container = unique("run")
    done = runc.run(container, "sh", "-c", "exit 3", check=False)
    assert done.returncode == 3
    assert_has(
        agent.one_start(container),
        container={
            "id": container,
            "name": None,
            "runtime": None,
            "oci_runtime": "runc",
            "image": None,
            "labels": None,
            "command": ["sh", "-c", "exit 3"],
            "parents": [],
        },
        start=FIRST,
    )
    assert_has(agent.one_stop(container), stop={"exit_code": 3, "signal": None})


def test_run_detached_is_one_start_and_kill_shows_the_signal(agent: Agent, runc: Runc) -> None:
    container = unique("detached")
    runc.run_detached(container, "sleep", "3600")
    assert_has(
        agent.one_start(container), container={"pid": runc.state(container)["pid"]}, start=FIRST
    )
    runc.cli("kill", container, "KILL")
    assert_has(agent.one_stop(container), stop={"signal": 9, "exit_code": None})


def test_create_is_not_a_start_until_start(agent: Agent, runc: Runc) -> None:
    container = unique("created")
    runc.create(container, "sleep", "3600")
    agent.settle()
    assert agent.of(container) == []
    runc.cli("start", container)
    assert_has(agent.one_start(container), start=FIRST)


def test_a_created_container_that_is_deleted_never_started(agent: Agent, runc: Runc) -> None:
    container = unique("unused")
    runc.create(container, "sleep", "3600")
    runc.delete(container)
    agent.settle()
    assert agent.starts(container) == []
    assert agent.stops(container) == []


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/no/such/program", id="not-found"),
        pytest.param(NOT_A_PROGRAM, id="refused-at-the-exec"),
    ],
)
def test_a_container_that_cannot_run_is_a_failed_start(
    agent: Agent, runc: Runc, program: str
) -> None:
    container = unique("failed")
    assert runc.run(container, program, check=False).returncode != 0
    agent.exactly(1, "start_failed", container)
    assert agent.starts(container) == []
    assert agent.stops(container) == []


def test_pause_resume_and_exec_are_not_starts(agent: Agent, runc: Runc) -> None:
    container = unique("paused")
    token = unique("exec")
    runc.run_detached(container, "sleep", "3600")
    runc.cli("exec", container, "echo", token)
    runc.cli("pause", container)
    runc.cli("resume", container)
    agent.exactly(1, "pause", container)
    agent.exactly(1, "unpause", container)
    agent.one_start(container)
    assert agent.stops(container) == []
    assert agent.mentioning(token) == []


@pytest.mark.parametrize(
    "namespaces",
    [
        pytest.param(("mount", "ipc", "uts", "network"), id="processes-of-the-host"),
        pytest.param(("mount",), id="nothing-but-a-mount-namespace"),
        pytest.param(("pid", "mount"), id="pid-and-mount"),
        pytest.param(("pid", "mount", "ipc", "uts", "network", "cgroup"), id="everything"),
    ],
)
def test_whatever_it_shares_a_container_starts_once(
    agent: Agent, runc: Runc, namespaces: tuple[str, ...]
) -> None:
    container = unique("shares")
    runc.run_detached(container, "sleep", "3600", namespaces=namespaces)
    assert_has(agent.one_start(container), container={"command": ["sleep", "3600"]}, start=FIRST)
    runc.cli("kill", container, "KILL")
    assert_has(agent.one_stop(container), stop={"signal": 9})


def test_a_runtime_of_any_name_is_seen(agent: Agent, foo: Runc) -> None:
    container = unique("renamed")
    assert foo.run(container, "sh", "-c", "exit 4", check=False).returncode == 4
    assert_has(
        agent.one_start(container),
        container={"id": container, "command": ["sh", "-c", "exit 4"]},
        start=FIRST,
    )
    assert_has(agent.one_stop(container), stop={"exit_code": 4})


def test_a_runtime_of_any_name_is_seen_in_two_steps(agent: Agent, foo: Runc) -> None:
    container = unique("renamed")
    foo.create(container, "sleep", "3600")
    foo.cli("start", container)
    assert_has(agent.one_start(container), container={"id": container}, start=FIRST)
    foo.cli("kill", container, "KILL")
    assert_has(agent.one_stop(container), stop={"signal": 9})

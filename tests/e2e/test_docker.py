"""Docker: first starts, what is not a start, and starts that fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import processes
from lab.agent import Agent
from lab.dockerd import RENAMED_RUNTIME, Dockerd
from lab.engines import CGROUP_PARENT, unique
from lab.expect import FIRST, assert_has
from lab.image import COMMAND, IMAGE, NOT_A_PROGRAM

pytestmark = pytest.mark.e2e


def test_a_container_that_ends_at_once_is_reported_with_all_that_it_is(
    agent: Agent, docker: Dockerd
) -> None:
    name = unique("short")
    container, code = docker.run_to_end("--rm", "--name", name, "--label", "a=b", IMAGE, "true")
    assert code == 0
    assert_has(
        agent.one_start(container),
        container={
            "id": container,
            "name": name,
            "runtime": "docker",
            "oci_runtime": "runc",
            "image": {"name": IMAGE, "id": docker.image_id()},
            "labels": {"a": "b"},
            "command": ["true"],
            "cgroup": f"/docker/{container}",
            "parents": [],
            "sandbox": False,
        },
        start=FIRST,
        confidence={"container": "exact"},
    )
    stop = agent.one_stop(container)
    assert_has(
        stop,
        container={"id": container, "name": name, "image": {"name": IMAGE}},
        stop={"exit_code": 0, "signal": None, "oom_killed": False},
    )
    assert 0 <= stop["stop"]["duration_seconds"] < 5


def test_a_container_in_the_background_has_its_image_s_command_and_its_pid(
    agent: Agent, docker: Dockerd
) -> None:
    container = docker.run(IMAGE)
    assert_has(
        agent.one_start(container),
        container={"command": COMMAND, "pid": docker.inspect(container)["State"]["Pid"]},
        start=FIRST,
    )
    assert agent.stops(container) == []


def test_create_alone_is_not_a_start_and_start_after_it_is_the_first(
    agent: Agent, docker: Dockerd
) -> None:
    container = docker.cli("create", IMAGE, "true").stdout.strip()
    agent.settle()
    assert agent.of(container) == []
    docker.cli("start", "--attach", container)
    assert_has(agent.one_start(container), start=FIRST)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--pid=host"], id="pid-of-the-host"),
        pytest.param(["--init"], id="docker-init"),
        pytest.param(["--cgroupns=host"], id="cgroupns-of-the-host"),
        pytest.param(["--cgroupns=private"], id="cgroupns-of-its-own"),
        pytest.param(["--network=host"], id="network-of-the-host"),
        pytest.param(
            ["--pid=host", "--network=host", "--ipc=host", "--uts=host", "--cgroupns=host"],
            id="all-of-the-host",
        ),
        pytest.param(["--pid=host", "--init"], id="docker-init-with-pid-of-the-host"),
        pytest.param(["--user=1234:1234", "--cap-drop=ALL"], id="without-rights"),
        pytest.param(["--security-opt=no-new-privileges"], id="no-new-privileges"),
        pytest.param(["--security-opt=seccomp=unconfined"], id="without-seccomp"),
        pytest.param([f"--cgroup-parent={CGROUP_PARENT}/deep"], id="cgroup-parent"),
        pytest.param(["--read-only", "--tmpfs=/tmp"], id="read-only"),
        pytest.param([f"--runtime={RENAMED_RUNTIME}"], id="renamed-runtime"),
        pytest.param([f"--runtime={RENAMED_RUNTIME}", "--pid=host"], id="renamed-and-pid-of-host"),
    ],
)
def test_whatever_its_options_a_container_starts_once(
    agent: Agent, docker: Dockerd, options: list[str]
) -> None:
    name = unique("option")
    container, code = docker.run_to_end("--name", name, *options, IMAGE, "sh", "-c", "exit 3")
    assert code == 3
    assert_has(
        agent.one_start(container),
        container={"name": name, "runtime": "docker", "image": {"name": IMAGE}},
        start=FIRST,
    )
    assert_has(agent.one_stop(container), stop={"exit_code": 3, "signal": None})


def test_host_namespaces_are_reported(agent: Agent, docker: Dockerd) -> None:
    container, _ = docker.run_to_end("--pid=host", "--network=host", IMAGE, "true")
    shared = agent.one_start(container)["container"]["security"]["host_namespaces"]
    assert {"pid", "network"} <= set(shared)
    assert "mount" not in shared


def test_a_container_in_another_s_pid_namespace_is_a_start_of_its_own(
    agent: Agent, docker: Dockerd
) -> None:
    host = docker.run(IMAGE)
    guest, code = docker.run_to_end(f"--pid=container:{host}", IMAGE, "sh", "-c", "exit 4")
    assert code == 4
    assert_has(agent.one_start(guest), container={"image": {"name": IMAGE}}, start=FIRST)
    assert_has(agent.one_stop(guest), stop={"exit_code": 4})
    assert len(agent.starts(host)) == 1
    assert agent.stops(host) == []


def test_control_characters_in_labels_and_arguments_arrive_as_they_are(
    agent: Agent, docker: Dockerd
) -> None:
    evil = '\x1b]0;owned\x07\x1b[31m"quoted"\\ \r\nnext \u202eline'
    container, _ = docker.run_to_end("--label", f"note={evil}", IMAGE, "echo", evil)
    assert_has(
        agent.one_start(container),
        container={"labels": {"note": evil}, "command": ["echo", evil]},
    )


def test_eight_at_a_time_each_is_reported_once_and_whole(agent: Agent, docker: Dockerd) -> None:
    names = [unique(f"burst{number}") for number in range(40)]

    def run(name: str) -> str:
        return docker.run_to_end("--rm", "--name", name, IMAGE, "true")[0]

    with ThreadPoolExecutor(max_workers=8) as pool:
        containers = dict(zip(pool.map(run, names), names, strict=True))
    agent.wait_for(lambda: all(map(agent.stops, containers)), "all have stopped")
    agent.settle()
    for container, name in containers.items():
        (start,) = agent.starts(container)
        (stop,) = agent.stops(container)
        assert_has(start, container={"name": name, "image": {"name": IMAGE}}, start=FIRST)
        assert_has(stop, container={"name": name}, stop={"exit_code": 0})


def test_exec_is_not_a_start(agent: Agent, docker: Dockerd) -> None:
    container = docker.run(IMAGE)
    token = unique("exec")
    docker.cli("exec", container, "echo", token)
    docker.cli("exec", "--detach", container, "echo", token)
    docker.cli("exec", "--privileged", container, "sh", "-c", f"exec echo {token}", check=False)
    agent.one_start(container)
    assert agent.stops(container) == []
    assert agent.mentioning(token) == []


def test_an_entrypoint_that_re_executes_itself_starts_once(agent: Agent, docker: Dockerd) -> None:
    chain = 'exec sh -c \'exec sh -c "exec sh -c \\"exit 5\\""\''
    container, code = docker.run_to_end(IMAGE, "sh", "-c", chain)
    assert code == 5
    assert_has(agent.one_start(container), container={"command": ["sh", "-c", chain]})
    assert_has(agent.one_stop(container), stop={"exit_code": 5})


def test_children_of_a_container_are_not_starts(agent: Agent, docker: Dockerd) -> None:
    container, _ = docker.run_to_end(
        IMAGE, "sh", "-c", "for i in 1 2 3 4 5; do true; sh -c :; done"
    )
    agent.one_start(container)
    agent.one_stop(container)


@pytest.mark.parametrize(
    "options",
    [["--pid"], ["--pid", "--mount-proc"], ["--pid", "--mount", "--uts", "--ipc", "--net"]],
    ids=" ".join,
)
def test_a_pid_namespace_on_the_host_is_not_a_container(agent: Agent, options: list[str]) -> None:
    token = unique("unshare")
    before = len(agent.events)
    processes.run(["unshare", *options, "--fork", "/bin/sh", "-c", f"echo {token}; true"])
    agent.settle()
    assert agent.mentioning(token, before) == []


def test_a_pid_namespace_made_inside_a_container_is_not_a_container(
    agent: Agent, docker: Dockerd
) -> None:
    token = unique("unshare")
    script = f"unshare -p -f sh -c 'echo {token}; true'; exit 6"
    container, code = docker.run_to_end(
        *("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", IMAGE, "sh", "-c", script)
    )
    assert code == 6
    assert token in docker.cli("logs", container).stdout
    agent.one_start(container)
    assert_has(agent.one_stop(container), stop={"exit_code": 6})


def test_steps_of_an_image_build_are_no_containers_that_a_user_runs(
    agent: Agent, docker: Dockerd, tmp_path: Path
) -> None:
    token = unique("step")
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo {token} >/tmp/built\n")
    built = processes.run(
        docker.command("build", "--network=none", "--tag", "castoff.test/built:1", tmp_path),
        env={**docker.environment, "DOCKER_BUILDKIT": "1"},
        check=False,
    )
    if built.returncode != 0:
        pytest.skip(f"no BuildKit here: {built.stderr.strip().splitlines()[-1]}")
    agent.settle()
    assert agent.mentioning(token) == []


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/no/such/program", id="refused-at-create"),
        pytest.param(NOT_A_PROGRAM, id="refused-at-the-exec"),
    ],
)
def test_a_container_that_cannot_run_is_a_failed_start(
    agent: Agent, docker: Dockerd, program: str
) -> None:
    name = unique("failed")
    container, code = docker.run_to_end("--name", name, IMAGE, program)
    assert code != 0
    assert_has(
        agent.exactly(1, "start_failed", container)[0],
        container={"id": container, "name": name, "image": {"name": IMAGE}, "runtime": "docker"},
        start={"kind": "first", "trigger": "user_command"},
        initiator={"process": {"exe": "docker"}, "user": {"uid": 0}},
        confidence={"trigger": "exact", "initiator": "exact"},
    )
    assert agent.starts(container) == []
    assert agent.stops(container) == []

"""What an agent owes across its own end: nothing unseen, nothing twice, no storm at its start."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from bench.kills import start_many
from lab.agent import COMMAND, Agent, unload_probes
from lab.containerd import Containerd
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.expect import FIRST, assert_has
from lab.image import IMAGE, BoxImage
from lab.podman import Podman
from lab.requirements import need
from lab.runc import Runc
from lab.waiting import until
from sensor.api.client import AgentClient

pytestmark = pytest.mark.e2e

BACKLOG = 5_000
"""Starts whose events, and those of their stops, are more than may wait for the disk."""


OWN_HIERARCHY = """\
#!/bin/sh
exec unshare --mount sh -c 'umount --recursive /sys/fs/cgroup &&
    mount -t cgroup2 none /sys/fs/cgroup && exec crun "$@"' crun "$@"
"""
"""crun where only cgroup v2 is mounted: it refuses a node that has both."""


@pytest.fixture
def crun(lab: Lab, image: BoxImage, tmp_path: Path) -> Iterator[Runc]:
    """crun, whose init keeps crun's own name until its first execve."""
    need("crun")
    program = tmp_path / "own-hierarchy"
    program.write_text(OWN_HIERARCHY)
    program.chmod(0o755)
    # The root where an inventory looks for containers whose ids are names.
    runtime = Runc(lab, image, program=program, root=Path("/run/crun"))
    yield runtime
    runtime.remove_all()


@contextmanager
def storm(runtime: Runc) -> Iterator[list[str]]:
    """Start one short container after another meanwhile; the list names those that ran."""
    ran: list[str] = []
    over = threading.Event()

    def start_containers() -> None:
        while not over.is_set():
            container = unique("storm")
            runtime.run(container, "true")
            runtime.delete(container)
            ran.append(container)

    thread = threading.Thread(target=start_containers)
    thread.start()
    try:
        yield ran
    finally:
        over.set()
        thread.join()


def _ran(containers: list[str], count: int) -> bool:
    return len(containers) >= count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda sig: sig.name)
def test_a_stopped_agent_has_written_everything(
    own_agent: Agent, runc: Runc, number: signal.Signals
) -> None:
    own_agent.start()
    containers = [unique("last") for _ in range(5)]
    for container in containers:
        runc.run(container, "true")
    own_agent.stop(number)
    for container in containers:
        assert len(own_agent.starts(container)) == 1
        assert len(own_agent.stops(container)) == 1


def test_starts_while_no_agent_runs_are_reported_by_the_next(
    own_agent: Agent, docker: Dockerd
) -> None:
    own_agent.start()
    own_agent.stop()
    name = unique("meanwhile")
    short, _ = docker.run_to_end("--name", name, IMAGE, "true")
    long = docker.run(IMAGE)
    own_agent.start()
    assert_has(
        own_agent.one_start(short),
        container={"name": name, "image": {"name": IMAGE}},
        start=FIRST,
    )
    assert_has(own_agent.one_stop(short), stop={"exit_code": 0})
    assert_has(own_agent.one_start(long), container={"image": {"name": IMAGE}}, start=FIRST)
    assert own_agent.stops(long) == []


def test_a_container_that_came_and_went_while_no_agent_ran_is_named_by_its_engine(
    own_agent: Agent, docker: Dockerd
) -> None:
    """Its command does not name it, and ``--rm`` left nothing on disk."""
    own_agent.start()
    own_agent.stop()
    gone, _ = docker.run_to_end("--rm", IMAGE, "true")
    own_agent.start()
    start = own_agent.one_start(gone)
    assert_has(
        start,
        container={"image": {"name": IMAGE}, "runtime": "docker"},
        confidence={"container": "inferred"},
        start=FIRST,
    )
    assert "_" in start["container"]["name"], "the engine made up a name of two words"
    reported = [one for one in start["evidence"] if one["source"] == "docker"]
    assert [one["what"] for one in reported] == ["docker event: destroy"]
    assert own_agent.one_stop(gone)["container"]["id"] == gone


def test_a_backlog_of_thousands_is_reported_whole(own_agent: Agent, runc: Runc, lab: Lab) -> None:
    """More than memory may hold: what is not read yet waits in the kernel."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler: apt-get install gcc")
    own_agent.validating = False
    own_agent.start()
    own_agent.stop()
    started = start_many(lab, runc.bundle(unique("backlog"), "true"), BACKLOG)
    own_agent.launch()
    client = AgentClient(own_agent.socket)
    until(lambda: client.status().starts >= BACKLOG, "all of them are reported", 60)
    until(lambda: own_agent.counter("store.waiting_bytes") == 0, "all is on disk", 60)
    assert own_agent.counter("store.lost") == 0
    reported = logged(own_agent, "start")
    assert [reported[container] for container in started] == [1] * BACKLOG
    # Killed, it might leave what it had just read to the agent of another test.
    own_agent.stop()


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_an_agent_killed_again_and_again_in_a_storm_misses_no_start(
    own_agent: Agent, request: pytest.FixtureRequest, name: str
) -> None:
    """Killed while it does its work, and killed while it makes up for its absence."""
    runtime: Runc = request.getfixturevalue(name)
    own_agent.start()
    with storm(runtime) as ran:
        for kills in range(1, 6):
            until(partial(_ran, ran, kills * 8), "containers run")
            own_agent.kill()
            until(partial(_ran, ran, kills * 8 + 4), "more containers run")
            own_agent.launch()
    own_agent.settle()
    # What an agent had for a slow reader of its output is gone with it; the log has it.
    for kind in ("start", "stop"):
        reported = logged(own_agent, kind)
        assert {container: reported[container] for container in ran} == dict.fromkeys(ran, 1)


def logged(agent: Agent, kind: str) -> Counter[str]:
    """How often the log has an event of a type, by container."""
    lines = AgentClient(agent.socket).lines(f"/v1/events?since=1h&type={kind}&limit=100000")
    return Counter(json.loads(line)["container"]["id"] for line in lines)


def test_containers_that_ran_before_the_agent_are_not_starts(
    own_agent: Agent, docker: Dockerd, containerd: Containerd, runc: Runc
) -> None:
    unload_probes()
    name = unique("old")
    by_docker = docker.run("--name", name, IMAGE)
    of_the_host = docker.run("--pid=host", IMAGE)
    by_ctr, by_runc = unique("old.ctr"), unique("old.runc")
    containerd.run(by_ctr, "sleep", "3600", options=("--detach",))
    runc.run_detached(by_runc, "sleep", "3600")
    own_agent.start()
    for container in (by_docker, of_the_host, by_ctr, by_runc):
        assert own_agent.of(container) == []

    docker.cli("kill", by_docker, of_the_host)
    containerd.ctr("tasks", "kill", "--signal", "SIGKILL", by_ctr)
    runc.cli("kill", by_runc, "KILL")
    # Nothing on the node has the id of what runc alone has started: its stop may go unnamed.
    for container in (by_docker, of_the_host, by_ctr):
        assert_has(own_agent.one_stop(container), stop={"signal": 9})
    assert_has(own_agent.one_stop(by_docker), container={"name": name, "image": {"name": IMAGE}})
    for container in (by_docker, of_the_host, by_ctr, by_runc):
        assert own_agent.starts(container) == []


@pytest.mark.parametrize("name", ["runc", "crun"])
def test_a_container_that_waits_for_its_start_while_an_agent_begins_starts_once(
    own_agent: Agent, request: pytest.FixtureRequest, name: str
) -> None:
    runtime: Runc = request.getfixturevalue(name)
    own_agent.start()
    own_agent.stop()
    container = unique("waiting")
    runtime.create(container, "sleep", "3600")
    own_agent.start()
    runtime.cli("start", container)
    assert_has(own_agent.one_start(container), start=FIRST)


def test_a_container_that_waits_from_before_the_probes_starts_once(
    own_agent: Agent, podman: Podman
) -> None:
    unload_probes()
    container = podman.cli("create", IMAGE, "sleep", "3600").stdout.strip()
    podman.cli("init", container)
    own_agent.start()
    podman.cli("start", container)
    assert_has(own_agent.one_start(container), start=FIRST)


def test_a_container_from_before_the_agent_is_reactivated_not_first(
    own_agent: Agent, docker: Dockerd
) -> None:
    unload_probes()
    stopped, _ = docker.run_to_end(IMAGE, "sh", "-c", "exit 7")
    running = docker.run(IMAGE)
    own_agent.start()
    docker.cli("start", "--attach", stopped, check=False)
    docker.cli("restart", "--time", "0", running)
    assert_has(
        own_agent.one_start(stopped),
        start={"kind": "reactivation", "previous": {"id": stopped, "exit_code": 7}},
    )
    assert_has(own_agent.one_start(running), start={"kind": "restart"})


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_what_ran_through_an_agent_s_absence_is_not_started_anew(
    own_agent: Agent, docker: Dockerd, *, crash: bool
) -> None:
    unload_probes()
    container = docker.run(IMAGE)
    own_agent.start()
    seen = docker.run(IMAGE)
    own_agent.one_start(seen)
    if crash:
        own_agent.kill()
    else:
        own_agent.stop()
    own_agent.start()
    assert own_agent.starts(container) == []
    own_agent.one_start(seen)
    docker.cli("kill", seen, container)
    assert_has(own_agent.one_stop(seen), stop={"signal": 9}, container={"image": {"name": IMAGE}})
    assert_has(own_agent.one_stop(container), stop={"signal": 9})


def test_a_restart_over_two_agents_knows_the_run_before(own_agent: Agent, docker: Dockerd) -> None:
    own_agent.start()
    container, _ = docker.run_to_end(IMAGE, "sh", "-c", "exit 7")
    first = own_agent.one_start(container)
    own_agent.stop()
    own_agent.start()
    docker.cli("start", "--attach", container, check=False)
    _, second = own_agent.exactly(2, "start", container)
    assert_has(
        second,
        start={
            "kind": "reactivation",
            "previous": {"id": container, "started": first["time"], "exit_code": 7},
        },
    )


def test_a_start_that_no_probe_saw_is_found_and_reported_once(
    own_agent: Agent, docker: Dockerd
) -> None:
    own_agent.start()
    own_agent.stop()
    unload_probes()
    name = unique("unseen")
    container = docker.run("--name", name, IMAGE)
    own_agent.start()
    start = own_agent.one_start(container)
    assert_has(start, container={"name": name, "image": {"name": IMAGE}}, start=FIRST)
    assert {witness["source"] for witness in start["evidence"]} == {"procfs"}
    assert start["observed"] > start["time"]
    gaps = [event for event in own_agent.events if event["type"] == "gap"]
    assert gaps, "a stretch without probes was not said out loud"
    own_agent.stop()
    own_agent.start()
    own_agent.one_start(container)


def test_what_probes_saw_before_any_agent_is_reported(own_agent: Agent, docker: Dockerd) -> None:
    unload_probes()
    subprocess.run([COMMAND, "probes", "load"], check=True, capture_output=True, timeout=60)
    name = unique("early")
    container, _ = docker.run_to_end("--name", name, IMAGE, "true")
    own_agent.start()
    assert_has(own_agent.one_start(container), container={"name": name}, start=FIRST)
    assert_has(own_agent.one_stop(container), stop={"exit_code": 0})


def test_a_second_agent_is_refused_with_what_to_do(own_agent: Agent, runc: Runc) -> None:
    own_agent.start()
    home = own_agent.state_dir.parent
    second = subprocess.run(
        [
            *(COMMAND, "run", "--output", "-"),
            *("--state-dir", home / "state-2", "--socket", home / "second.sock"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode not in {0, 1}
    assert f"pid {own_agent.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert second.stdout == ""
    container = unique("still")
    runc.run(container, "true")
    own_agent.one_start(container)
    own_agent.stop()


def test_probes_are_not_taken_from_an_agent_in_silence(own_agent: Agent, runc: Runc) -> None:
    own_agent.start()
    unload = subprocess.run(
        [COMMAND, "probes", "unload"], capture_output=True, text=True, check=False, timeout=60
    )
    container = unique("blind")
    runc.run(container, "true")
    if unload.returncode == 0:
        own_agent.wait_for(
            lambda: any(event["type"] == "gap" for event in own_agent.events),
            "the agent says that it is blind",
        )
    else:
        assert f"pid {own_agent.pid}" in unload.stderr
        own_agent.one_start(container)

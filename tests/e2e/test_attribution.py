"""Who caused a start: people, programs, containers and engines, each with what proves it.

Other engines may be used on the machine meanwhile. A connection to one of them may make a caller
one of several candidates, so that is accepted where no identifier ties the request to the start.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab import processes
from lab.agent import CHECKOUT, Agent, Event
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.expect import assert_has
from lab.image import IMAGE
from lab.runc import Runc
from lab.waiting import until
from sensor.bpf import pins

pytestmark = pytest.mark.e2e

FIRST_LOGIN = 2001
SURE = ("exact", "inferred")

CALLER = """
import http.client, socket, sys
path, container = sys.argv[1:]
connection = http.client.HTTPConnection("docker")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(path)
connection.request("POST", "/containers/" + container + "/start")
sys.exit(connection.getresponse().status != 204)
"""
"""A program that has Docker start a container without Docker's command."""


def as_person(
    login: int, argv: Sequence[str | Path], environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Run a command under a login uid to its good end; returns its pid and what it printed."""
    with subprocess.Popen(
        processes.as_login(login, argv),
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        output, problem = process.communicate(timeout=60)
    assert process.returncode == 0, f"{argv}: {problem}"
    return process.pid, output.strip()


def typed(docker: Dockerd, login: int, *words: str) -> tuple[int, str]:
    """Type a docker command as a person."""
    return as_person(login, docker.command(*words), docker.environment)


def call_api(docker: Dockerd, login: int, container: str) -> int:
    """Have a person's program start a container; returns its pid."""
    program = [sys.executable, "-I", "-c", CALLER, str(docker.address), container]
    return as_person(login, program)[0]


def created(docker: Dockerd) -> str:
    return docker.cli("create", IMAGE, "true").stdout.strip()


def is_cause(pid: int, login: int) -> Callable[[dict[str, Any]], bool]:
    def holds(who: dict[str, Any]) -> bool:
        return (who["process"]["pid"], who["user"]["auid"]) == (pid, login)

    return holds


def assert_attributed(event: Event, trigger: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Assert that the true cause is named, or stands among several candidates."""
    if event["confidence"]["initiator"] == "ambiguous":
        assert event["initiator"] is None
        assert any(map(holds, event["candidates"])), event["candidates"]
        return
    assert event["confidence"]["initiator"] in SURE, event
    assert event["start"]["trigger"] == trigger
    assert holds(event["initiator"]), event["initiator"]
    assert event["candidates"] == []


def assert_exact(event: Event, trigger: str, pid: int, login: int) -> None:
    assert_has(
        event,
        start={"trigger": trigger},
        initiator={"process": {"pid": pid}, "user": {"auid": login}},
        candidates=[],
        confidence={"trigger": "exact", "initiator": "exact"},
    )


def assert_no_person(event: Event, trigger: str, sure: str) -> None:
    """Assert that an engine did it by itself."""
    assert_has(
        event,
        start={"trigger": trigger},
        initiator=None,
        candidates=[],
        confidence={"trigger": sure, "initiator": "none"},
    )


# ------------------------------------------------------------------ people


def test_three_people_at_once_are_distinguished(agent: Agent, docker: Dockerd) -> None:
    def session(login: int) -> tuple[str, list[int]]:
        name = unique("person")
        first, container = typed(docker, login, "run", "--detach", "--name", name, IMAGE)
        restart, _ = typed(docker, login, "restart", "--time", "0", name)
        typed(docker, login, "kill", name)
        docker.await_exit(container)
        start, _ = typed(docker, login, "start", container[:12])
        return container, [first, restart, start]

    logins = range(FIRST_LOGIN, FIRST_LOGIN + 3)
    with ThreadPoolExecutor(len(logins)) as pool:
        sessions = list(pool.map(session, logins))
    for login, (container, pids) in zip(logins, sessions, strict=True):
        events = agent.exactly(3, "start", container)
        for event, pid in zip(events, pids, strict=True):
            assert_exact(event, "user_command", pid, login)
        assert [event["start"]["kind"] for event in events] == ["first", "restart", "reactivation"]


def test_two_people_who_ask_for_the_same_are_both_named(agent: Agent, docker: Dockerd) -> None:
    container, _ = docker.run_to_end(IMAGE, "true")
    with ThreadPoolExecutor(2) as pool:
        pids = pool.map(lambda n: typed(docker, FIRST_LOGIN + n, "start", container)[0], range(2))
        asked = {(pid, FIRST_LOGIN + n) for n, pid in enumerate(pids)}
    agent.wait_for(lambda: len(agent.starts(container)) > 1, "it starts again")
    agent.settle()
    # Who came second may have come after it had ended already: then each had a start of its own.
    for event in agent.starts(container)[1:]:
        named = [event["initiator"]] if event["initiator"] else event["candidates"]
        assert {(who["process"]["pid"], who["user"]["auid"]) for who in named} <= asked
        assert named
        assert event["start"]["trigger"] == "user_command"


def test_a_run_without_a_name_is_its_persons(agent: Agent, docker: Dockerd) -> None:
    pid, container = typed(docker, FIRST_LOGIN, "run", "--detach", IMAGE)
    assert_attributed(agent.one_start(container), "user_command", is_cause(pid, FIRST_LOGIN))


def test_most_runs_without_a_name_are_tied_to_their_persons_by_their_requests(
    reader: Agent, docker: Dockerd
) -> None:
    logins = [FIRST_LOGIN + number % 3 for number in range(9)]
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda who: typed(docker, who, "run", "--detach", IMAGE), logins))
    events = [reader.one_start(container) for _, container in runs]
    for event, (pid, _), login in zip(events, runs, logins, strict=True):
        assert_attributed(event, "user_command", is_cause(pid, login))
    sure = [event for event in events if event["confidence"]["initiator"] == "exact"]
    # An engine that was awake just then may have taken a request before it was read.
    assert len(sure) >= len(events) - 2


def test_what_was_typed_is_reported_without_its_secrets(agent: Agent, docker: Dockerd) -> None:
    words = ("run", "--env", "DB_PASSWORD=hunter2", "--name", unique("secret"), IMAGE, "true")
    typed(docker, FIRST_LOGIN, *words)
    agent.wait_for(lambda: agent.mentioning(words[4]), "the container is reported")
    agent.settle()
    (event,) = (e for e in agent.mentioning(words[4]) if e["type"] == "container.start")
    argv = event["initiator"]["process"]["argv"]
    assert argv[1:2] + argv[-2:] == ["run", IMAGE, "true"]
    assert agent.mentioning("hunter2") == []


# ------------------------------------------------------------------ programs and containers


@pytest.fixture
def witness(agent: Agent) -> Agent:
    """The agent, where its probes see connects."""
    links = {link for loaded in pins.loaded_sets() for link in loaded.links()}
    if not links & {"on_connect_unix", "kretfunc__unix_stream_connect"}:
        pytest.skip("cannot run here: this kernel's probes see no connects to unix sockets")
    return agent


@pytest.fixture
def reader(agent: Agent) -> Agent:
    """The agent, where its probes read requests."""
    links = {link for loaded in pins.loaded_sets() for link in loaded.links()}
    if not links & {"on_data_ready", "kfunc__unix_stream_sendmsg"}:
        pytest.skip("cannot run here: this kernel's probes read no requests")
    return agent


def test_a_program_on_the_engines_socket_is_reported(witness: Agent, docker: Dockerd) -> None:
    container = created(docker)
    pid = call_api(docker, FIRST_LOGIN, container)
    event = witness.one_start(container)
    assert_attributed(event, "api_client", is_cause(pid, FIRST_LOGIN))


def test_programs_at_the_same_time_are_candidates_at_least(witness: Agent, docker: Dockerd) -> None:
    containers = [created(docker) for _ in range(3)]
    logins = range(FIRST_LOGIN, FIRST_LOGIN + len(containers))
    with ThreadPoolExecutor(len(containers)) as pool:
        pids = list(pool.map(partial(call_api, docker), logins, containers))
    events = [witness.one_start(container) for container in containers]
    for event, pid, login in zip(events, pids, logins, strict=True):
        assert_attributed(event, "api_client", is_cause(pid, login))


@pytest.fixture(scope="module")
def static_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that asks an engine to start containers, and needs nothing of its container."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("cannot run here: no C compiler; fix: make setup-test")
    program = tmp_path_factory.mktemp("client") / "post"
    source = CHECKOUT / "bench" / "post.c"
    done = processes.run([compiler, "-static", "-O1", "-o", program, source], check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot run here: no static C program can be made: {done.stderr.strip()}")
    return program


def test_a_container_that_has_the_socket_is_reported(
    witness: Agent, docker: Dockerd, static_client: Path
) -> None:
    target = created(docker)
    _, container = typed(
        docker,
        FIRST_LOGIN,
        *("run", "--detach", "--name", unique("insider")),
        *("--volume", f"{docker.address.parent}:/engine"),
        *("--volume", f"{static_client}:/post:ro"),
        *(IMAGE, "/post", f"/engine/{docker.address.name}", target),
    )
    assert docker.await_exit(container)["ExitCode"] == 0
    event = witness.one_start(target)
    assert_attributed(event, "container", lambda who: bool(who["container_id"] == container))


# ------------------------------------------------------------------ no person


def test_a_restart_policy_has_no_person_behind_it(agent: Agent, docker: Dockerd) -> None:
    name = unique("policy")
    words = ("--name", name, "--restart=on-failure:1", IMAGE, "sh", "-c", "exit 8")
    pid, container = typed(docker, FIRST_LOGIN, "run", "--detach", *words)
    docker.await_exit(container)
    first, second = agent.exactly(2, "start", container)
    assert_exact(first, "user_command", pid, FIRST_LOGIN)
    assert_no_person(second, "restart_policy", "exact")


def test_an_engine_that_boots_has_no_person_behind_it(agent: Agent, docker: Dockerd) -> None:
    container = docker.run("--restart=always", "--stop-signal=KILL", IMAGE)
    docker.stop()
    docker.start()
    until(lambda: docker.inspect(container)["State"]["Running"], "the container runs again")
    _, second = agent.exactly(2, "start", container)
    assert_no_person(second, "engine_boot", "inferred")


# ------------------------------------------------------------------ no engine


def test_a_runtime_by_hand_is_reported_with_its_person(agent: Agent, runc: Runc) -> None:
    name = unique("hand")
    words = runc.command("run", "--bundle", runc.bundle(name, "true"), name)
    pid, _ = as_person(FIRST_LOGIN, words)
    assert_exact(agent.one_start(name), "direct_runtime", pid, FIRST_LOGIN)

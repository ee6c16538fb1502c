"""A plain user speaks of root's containers with programs called like runtimes."""

from __future__ import annotations

import json
import sys

import pytest

from lab.agent import Agent, summaries
from lab.engines import unique
from lab.image import IMAGE
from lab.runc import Runc
from lab.strangers import Stranger
from sensor.api.client import AgentClient
from tests.attack.conftest import blames, since

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("verb", ["pause", "resume", "kill", "delete", "start"])
@pytest.mark.parametrize("name", ["runc", "crun", "containerd-shim-runc-v2"])
def test_a_command_about_a_running_container_changes_nothing(
    agent: Agent, mallory: Stranger, box: str, verb: str, name: str
) -> None:
    """sec-forged-runtime-commands."""
    agent.one_start(box)
    program = mallory.copy("true", f"x/{name}")
    new = since(agent)
    mallory.run(program, verb, box)
    agent.settle()
    about = [e["type"] for e in new() if e["container"] and e["container"]["id"] == box]
    assert about == []


@pytest.mark.parametrize("verb", ["run", "create", "restore"])
def test_a_container_that_never_was_is_not_a_start_and_no_exact_failure(
    agent: Agent, mallory: Stranger, verb: str
) -> None:
    """sec-forged-runtime-commands."""
    program = mallory.copy("true" if verb == "restore" else "false", "y/runc")
    ghost = unique("ghost")
    new = since(agent)
    mallory.run(program, verb, ghost)
    agent.settle()
    about = [event for event in new() if event["container"] and event["container"]["id"] == ghost]
    assert not [event for event in about if event["type"] == "container.start"]
    for event in about:
        assert event["confidence"]["container"] != "exact"
        assert blames(event, mallory.uid)


@pytest.mark.parametrize("engine", ["docker", "runc"])
def test_an_init_of_a_strangers_own_takes_nothing_from_a_running_container(
    agent: Agent, mallory: Stranger, request: pytest.FixtureRequest, engine: str
) -> None:
    """sec-forged-start-takes-a-running-container.

    An id of 64 digits is one container, so nothing is reported under it. Any user may call a
    container of an own runtime root by a name that root uses, too: that is the user's, inferred.
    """
    if engine == "docker":
        docker = request.getfixturevalue("docker")
        victim = docker.run("--name", unique("web"), "--network", "none", IMAGE, "sleep", "300")
    else:
        victim = request.getfixturevalue("box")
    agent.one_start(victim)
    shell = mallory.copy("bash", "b/runc")
    mallory.file("b/run", "unshare -Urpf --kill-child sleep 0.5\n")
    new = since(agent)
    mallory.run(shell, "run", victim, cwd=shell.parent)
    agent.settle()
    about = [e for e in new() if e["container"] and e["container"]["id"] == victim]
    if engine == "docker":
        assert about == [], summaries(about)
    forged = [event for event in about if event["type"] == "container.start"]
    assert all(event["confidence"]["container"] == "inferred" for event in forged)
    assert all(event["start"]["kind"] == "first" for event in forged)
    assert all(blames(event, mallory.uid) for event in forged)
    running = json.dumps(AgentClient(agent.socket).document("/v1/containers"))
    assert victim in running
    if engine == "docker":
        request.getfixturevalue("docker").cli("stop", "--time", "0", victim)
        agent.one_stop(victim)
    else:
        request.getfixturevalue("runc").delete(victim)
        agent.exactly(1 + len(forged), "stop", victim)


def test_an_init_under_an_invented_id_is_not_an_exact_start(
    agent: Agent, mallory: Stranger
) -> None:
    """sec-forged-start-takes-a-running-container, another route: an id that nothing has."""
    shell = mallory.copy("bash", "b/crun")
    ghost = unique("ghost")
    mallory.file("b/run", "unshare -Urpf --kill-child sleep 0.3\n")
    new = since(agent)
    mallory.run(shell, "run", ghost, cwd=shell.parent)
    agent.settle()
    for event in new():
        if event["type"] == "container.start" and ghost in str(event):
            assert event["confidence"]["container"] != "exact"
            assert event["container"]["id"] != ghost or blames(event, mallory.uid)


def test_a_stop_is_reported_after_ten_forged_ones(
    agent: Agent, mallory: Stranger, runc: Runc, box: str
) -> None:
    """sec-forged-start-takes-a-running-container, another route: many, by Python's own execve."""
    agent.one_start(box)
    mallory.copy("true", "z/runc")
    script = (
        "import os\n"
        f"for verb in ('run', 'start', 'delete', 'kill', 'restore') * 2:\n"
        f"    if os.fork() == 0: os.execv('z/runc', ['runc', verb, {box!r}])\n"
        "    os.wait()\n"
    )
    mallory.run(sys.executable, "-c", script)
    runc.delete(box)
    agent.one_stop(box)
    assert len(agent.starts(box)) == 1

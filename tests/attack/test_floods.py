"""One user's noise costs the others nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.runc import Runc
from lab.strangers import Stranger
from sensor.api.client import AgentClient
from sensor.identity.redact import redact_argv
from tests.attack.conftest import blames

CRAFTED = ": " + '\\"' * 2020
TICKS = os.sysconf("SC_CLK_TCK")


def answered_in(agent: Agent) -> float:
    """Return the seconds that ``/healthz`` takes."""
    began = time.monotonic()
    AgentClient(agent.socket).get("/healthz")
    return time.monotonic() - began


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# ---------------------------------------------------------------------- crafted arguments

UNITS = [r"\"", '"\\', '"a\\', '" \\', ': \\"', "$(", "'\"", "-e A=", "://a:b@", '{"a":', "%2"]


@pytest.mark.parametrize("unit", UNITS)
def test_the_cost_of_an_argument_grows_with_its_length(unit: str) -> None:
    """sec-crafted-argument-stalls-agent: linear, whatever stands in it."""

    def cost(length: int) -> float:
        word = ": " + unit * (length // len(unit))
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            redact_argv(("docker", word))
            best = min(best, time.perf_counter() - began)
        return best

    short, long = cost(2000), cost(8000)
    assert long < 0.05
    assert long < 12 * short + 0.002


@pytest.mark.e2e
def test_crafted_command_lines_do_not_stall_the_agent(agent: Agent, mallory: Stranger) -> None:
    """sec-crafted-argument-stalls-agent."""
    program = mallory.copy("true", "docker")
    words = mallory.file("words", CRAFTED)
    script = f'P="$(cat {words})"; for i in $(seq 60); do {program} start "$i$P"; done'
    running = mallory.begin(["/bin/sh", "-c", script])
    slowest = 0.0
    while running.poll() is None:
        slowest = max(slowest, answered_in(agent))
    slowest = max(slowest, answered_in(agent))
    assert slowest < 0.8


# ---------------------------------------------------------------------- many commands


@pytest.fixture
def flooded(agent: Agent, mallory: Stranger) -> Iterator[Agent]:
    """Two shells of mallory's run forged creations as fast as they can."""
    mallory.copy("false", "y/runc")
    script = "i=0; while :; do i=$((i+1)); ./y/runc create f$$-$i; done"
    for _ in range(2):
        mallory.begin(["/bin/sh", "-c", script])
    yield agent
    mallory.end_all()


@pytest.mark.e2e
def test_forged_creations_of_one_user_fill_neither_the_log_nor_the_table(
    agent: Agent, mallory: Stranger, runc: Runc
) -> None:
    """sec-event-log-washed-out."""
    keep = unique("keepme")
    runc.run(keep, "true")
    agent.one_start(keep)
    runc.delete(keep)
    mallory.copy("false", "y/runc")
    number = len(agent.events)
    script = "for i in $(seq 3000); do ./y/runc create f$$-$i; done"
    mallory.shell(f"({script}) & ({script}) & wait", timeout=90)
    agent.settle()
    written = agent.events[number:]
    forged = [event for event in written if "container.start_failed" in event["type"]]
    assert len(forged) < 100
    assert sum(len(json.dumps(event)) for event in written) < 1 << 20
    runc.run(keep, "true")
    again = agent.exactly(2, "start", keep)[1]
    assert again["start"]["kind"] == "reactivation"


@pytest.mark.e2e
def test_starts_of_others_stay_exact_under_a_flood(flooded: Agent, docker: Dockerd) -> None:
    """sec-plain-user-hides-a-start, and the first number of the issue, in small."""
    containers = [
        docker.run("--name", unique("calm"), "--network", "none", IMAGE, "true") for _ in range(6)
    ]
    for container in containers:
        start = flooded.one_start(container)
        assert start["confidence"]["initiator"] == "exact"
        assert start["initiator"]["user"]["uid"] == 0
    assert answered_in(flooded) < 0.8


@pytest.mark.e2e
def test_a_plain_users_user_namespaces_hide_no_start_of_root(
    agent: Agent, mallory: Stranger, runc: Runc
) -> None:
    """sec-plain-user-hides-a-start: inits below a file called runc, over and over."""
    shell = mallory.copy("bash", "z/runc")
    loop = mallory.file("z/run", "while :; do unshare -Urpf --kill-child true; done\n")
    for _ in range(3):
        mallory.begin([shell, loop, unique("own")], cwd=loop.parent)
    names = [unique("hidden") for _ in range(5)]
    for name in names:
        runc.run(name, "true")
    mallory.end_all()
    for name in names:
        start = agent.one_start(name)
        assert not blames(start, mallory.uid)
        runc.delete(name)

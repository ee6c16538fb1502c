"""``castoff selftest --findings`` raises what it can on a node with engines, and names the rest."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from lab.agent import COMMAND, Agent
from lab.containerd import Containerd
from lab.dockerd import Dockerd
from lab.image import IMAGE
from sensor.model.vocabulary import Finding

pytestmark = pytest.mark.e2e

WORDS = ("--runtime", "runc", "--findings", "-o", "json")


def outcomes_of(agent: Agent, **environment: str) -> dict[str, dict[str, object]]:
    """Run the selftest of findings; return each outcome by the finding's name."""
    done = subprocess.run(
        [COMMAND, "selftest", *WORDS, "--socket", agent.socket],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    outcomes = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    failed = [one for one in outcomes.values() if one["ok"] is False]
    assert (done.returncode == 0) is (not failed), done.stdout + done.stderr
    assert [str(one["name"]) for one in failed] == []
    assert set(Finding) <= set(outcomes)
    return outcomes


def age(agent: Agent, days: int) -> None:
    """Let the baseline of a stopped agent be older than it is."""
    (path,) = agent.state_dir.glob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        where = "WHERE kind = 'baseline' AND key = 'state'"
        ((row,),) = connection.execute(f"SELECT value FROM judged {where}")
        version, began, *rest = json.loads(row)
        value = json.dumps([version, began - days * 86_400, *rest]).encode()
        connection.execute(f"UPDATE judged SET value = ? {where}", (value,))


def open_to_accounts(path: Path) -> None:
    """Let other accounts reach a socket of the lab, as they reach /run on a host."""
    for directory in path.parents:
        if "castoff-e2e" in str(directory):
            directory.chmod(directory.stat().st_mode | 0o011)


ALWAYS = {
    *(Finding.DIRECT_RUNTIME, Finding.UNKNOWN_RUNTIME, Finding.FAILED_STARTS),
    *(Finding.ENGINE_NAMESPACE, Finding.WIDE_CHANGE, Finding.CRASH_LOOP),
    *(Finding.FORBIDDEN, Finding.OUTSIDE_WINDOW, Finding.NO_EXPLANATION),
    *(Finding.UNAPPROVED_IMAGE, Finding.UNPINNED_IMAGE),
    Finding.SENSOR_TAMPERING,
}
AFTER_A_WEEK = {
    *(Finding.NEW_PRIVILEGE, Finding.NEW_ENTRYPOINT, Finding.CHANGED_REGISTRY),
    *(Finding.NEW_PERSON, Finding.NEW_INITIATOR, Finding.ENGINE_SOCKET, Finding.LOCAL_IMAGE),
    *(Finding.UNUSUAL_COMBINATION, Finding.SLOW_CHANGE, Finding.BURST),
}


def test_every_finding_that_can_be_triggered_is_raised_on_a_node_that_has_learnt(
    own_agent: Agent, docker: Dockerd, containerd: Containerd
) -> None:
    own_agent.start()
    own_agent.one_start(docker.run(IMAGE))
    own_agent.settle()
    own_agent.stop()
    age(own_agent, 10)
    own_agent.start()
    before = docker.containers()
    open_to_accounts(Path(docker.environment["DOCKER_HOST"].removeprefix("unix://")))
    address = {"CONTAINERD_ADDRESS": str(containerd.address)}
    outcomes = outcomes_of(own_agent, **docker.environment, **address)
    raised = {one for one in Finding if outcomes[one]["ok"] is True}
    missing = (ALWAYS | AFTER_A_WEEK) - raised
    assert [f"{one}: {outcomes[one]['detail']}" for one in missing] == []
    for one in set(Finding) - raised:
        assert str(outcomes[one]["detail"]).startswith("not tried: "), outcomes[one]
    assert docker.containers() == before, "it leaves nothing behind"


def test_on_the_first_day_it_says_what_needs_a_past(own_agent: Agent) -> None:
    own_agent.start()
    outcomes = outcomes_of(own_agent)
    for finding in (Finding.DIRECT_RUNTIME, Finding.UNKNOWN_RUNTIME, Finding.FAILED_STARTS):
        assert outcomes[finding]["ok"] is True, outcomes[finding]
    assert outcomes[Finding.NEW_PERSON]["detail"] == (
        "not tried: reported from the second day of learning on"
    )
    assert outcomes[Finding.BURST]["ok"] is None

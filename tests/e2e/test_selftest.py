"""``castoff selftest`` on a node with an engine, as an operator runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from lab.agent import COMMAND, Agent
from lab.dockerd import Dockerd
from lab.image import BoxImage

pytestmark = pytest.mark.e2e

CHECKS = [
    *("agent", "container", "reported", "kernel saw the init", "runtime's command seen"),
    *("kind of start", "cause", "sources agree"),
]


def selftest(agent: Agent, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "selftest", *words, "--socket", agent.socket],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_witness_of_a_container_of_docker_s_is_there(agent: Agent, docker: Dockerd) -> None:
    done = selftest(agent, "--runtime", "docker", "-o", "json", **docker.environment)
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [check["name"] for check in checks] == CHECKS
    assert all(check["ok"] for check in checks)
    assert not docker.containers(), "it leaves nothing behind"


def test_runc_alone_is_enough(agent: Agent, image: BoxImage) -> None:
    assert image.rootfs.exists()
    if shutil.which("runc") is None:
        pytest.skip("no runc: apt-get install runc")
    done = selftest(agent, "--runtime", "runc")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout


def test_without_an_agent_it_says_so(agent: Agent) -> None:
    nowhere = agent.socket.with_name("nobody.sock")
    done = subprocess.run(
        [COMMAND, "selftest", "--socket", nowhere],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert str(nowhere) in done.stderr
    assert "Traceback" not in done.stderr

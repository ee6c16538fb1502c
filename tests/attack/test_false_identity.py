"""A plain user gives root's containers other names, and crowds out what is true."""

from __future__ import annotations

import json
import sys

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import unique
from lab.image import IMAGE
from lab.strangers import Stranger
from lab.waiting import until
from sensor.api.client import AgentClient
from sensor.sources.engines.listeners import engine_sockets

pytestmark = pytest.mark.e2e

LISTENERS = """
import os, socket, sys, time
open('/proc/self/comm', 'w').write(sys.argv[1])
kept = []
for number in range(300):
    one = socket.socket(socket.AF_UNIX)
    one.bind(f'{sys.argv[2]}/{number}.sock')
    one.listen(1)
    kept.append(one)
print('ready', flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("supervisor", ["containerd-shim-x", "conmon", "dockerd"])
def test_a_strangers_directory_names_no_container_of_root(
    own_agent: Agent, docker: Dockerd, mallory: Stranger, supervisor: str
) -> None:
    """sec-identity-from-a-strangers-directory."""
    name = unique("victim")
    container = docker.run("--name", name, "--network", "none", IMAGE, "sleep", "300")
    engine = mallory.home / "e"
    bundle = engine / "io.containerd.runtime.v2.task" / "moby" / container
    config = {
        "process": {"args": ["/forged"]},
        "linux": {},
        "mounts": [
            {
                "source": f"{engine}/containers/{container}/hostname",
                "destination": "/etc/hostname",
            }
        ],
    }
    record = {"ID": container, "Name": "/forged-name", "Config": {"Image": "forged/image:1"}}
    mallory.file(str((bundle / "config.json").relative_to(mallory.home)), json.dumps(config))
    mallory.file(f"e/containers/{container}/config.v2.json", json.dumps(record))
    mallory.file(f"e/containers/{container}/hostconfig.json", "{}")
    program = mallory.copy("sleep", f"e/{supervisor}")
    mallory.begin([program, "600"], cwd=bundle)
    own_agent.start()
    found = AgentClient(own_agent.socket).document("/v1/containers")
    own_agent.stop()
    assert "forged" not in json.dumps(found)
    assert name in json.dumps(found)


@pytest.mark.parametrize("comm", ["dockerd", "containerd"])
def test_three_hundred_sockets_of_a_stranger_crowd_out_no_engine(
    docker: Dockerd, mallory: Stranger, comm: str
) -> None:
    """sec-other-engines-sockets-crowd-out."""
    (mallory.home / "s").mkdir()
    mallory.file("s/listen.py", LISTENERS)
    listening = mallory.begin([sys.executable, "s/listen.py", comm, "s"])
    until((mallory.home / "s" / "299.sock").exists, "300 sockets")
    assert listening.poll() is None
    found = engine_sockets(frozenset({"dockerd", "containerd"}))
    assert str(docker.address) in {str(one.path) for one in found}
    theirs = [one for one in found if str(one.path).startswith((str(mallory.home), "s/"))]
    assert len(theirs) < len(found)
    ours = next(number for number, one in enumerate(found) if str(one.path) == str(docker.address))
    assert ours < 64


def test_a_cgroup_parent_called_like_a_build_hides_no_start(agent: Agent, docker: Dockerd) -> None:
    """cgroup-parent-like-a-build: who may start a container may name its parent."""
    container = docker.run(
        "--network", "none", "--cgroup-parent=/docker/buildkit", IMAGE, "sleep", "300"
    )
    start = agent.one_start(container)
    assert start["confidence"]["initiator"] == "exact"
    docker.remove([container])
    agent.one_stop(container)
    assert agent.failures(container) == []


def test_labels_of_more_than_a_mebibyte_take_nothing_else_with_them(
    agent: Agent, docker: Dockerd
) -> None:
    """labels-over-a-mebibyte."""
    name = unique("labels")
    labels = [word for n in range(16) for word in ("--label", f"l{n}={'x' * 80_000}")]
    container = docker.run("--name", name, "--network", "none", *labels, IMAGE, "sleep", "300")
    docker.cli("restart", "--time", "0", name)
    first, second = agent.exactly(2, "start", container)
    for start in (first, second):
        assert start["container"]["name"] == name
        assert start["container"]["image"]["name"] == IMAGE
    assert second["start"]["kind"] == "restart"
    assert second["confidence"]["initiator"] == "exact"

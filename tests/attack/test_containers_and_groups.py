"""Attackers with a little more: root inside of a container, and members of the engine's group."""

from __future__ import annotations

import os
import sys

import pytest

from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.strangers import Stranger, stranger
from tests.attack.conftest import blames, since, starts_with

pytestmark = pytest.mark.e2e

ENGINE_GROUP = 4242


def test_root_in_a_container_speaks_of_no_other_container(
    agent: Agent, docker: Dockerd, box: str
) -> None:
    """sec-forged-runtime-commands, from inside: uid 0 of a container is not root of the host."""
    agent.one_start(box)
    inside = docker.run("--network", "none", IMAGE, "sleep", "300")
    agent.one_start(inside)
    new = since(agent)
    script = "cp /bin/true /tmp/runc && /tmp/runc pause $0 && /tmp/runc resume $0; /tmp/runc run $0"
    for victim in (box, inside):
        docker.cli("exec", inside, "sh", "-c", script, victim, check=False)
    agent.settle()
    types = {e["type"] for e in new() if e["container"] and e["container"]["id"] in {box, inside}}
    assert types == set()


def test_root_in_a_container_cannot_pose_as_a_client(agent: Agent, docker: Dockerd) -> None:
    """sec-forged-client-is-exact, from inside of a container without the engine's socket."""
    name = unique("web")
    created = docker.cli(
        "create", "--name", name, "--network", "none", IMAGE, "true"
    ).stdout.strip()
    inside = docker.run("--network", "none", IMAGE, "sleep", "300")
    agent.one_start(inside)
    poser = "cp /bin/busybox /tmp/docker; exec -a docker /tmp/docker sleep 20 start $0"
    docker.cli("exec", "--detach", inside, "sh", "-c", poser, name, check=False)
    docker.cli("start", name)
    start = agent.one_start(created)
    assert start["confidence"]["initiator"] == "exact"
    assert start["initiator"]["container_id"] is None


def test_a_member_of_the_engines_group_is_named_for_what_it_starts(
    agent: Agent, docker: Dockerd, reachable: Lab, token: str
) -> None:
    """A member may start anything; it cannot do so under another's name."""
    assert reachable.directory.exists()
    docker.address.parent.chmod(0o711)
    before = docker.address.stat()
    os.chown(docker.address, 0, ENGINE_GROUP)
    docker.address.chmod(0o660)
    try:
        with stranger("member", ENGINE_GROUP) as member:
            code = (
                "import json, socket, sys\n"
                "open('/proc/self/comm', 'w').write('dockerd')\n"
                "def ask(path, body=b''):\n"
                "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
                "    s.sendall(f'POST {path} HTTP/1.0\\r\\nContent-Type: application/json\\r\\n'\n"
                "              f'Content-Length: {len(body)}\\r\\n\\r\\n'.encode() + body)\n"
                "    return s.makefile('rb').read().decode()\n"
                f"made = {{'Image': {IMAGE!r}, 'Cmd': ['sh', '-c', ': {token}'],\n"
                "        'HostConfig': {'NetworkMode': 'none'}}\n"
                "answer = ask('/v1.41/containers/create', json.dumps(made).encode())\n"
                "id = json.loads(answer.partition('\\r\\n\\r\\n')[2])['Id']\n"
                "print(ask(f'/v1.41/containers/{id}/start')[:12])\n"
            )
            output = member.run(sys.executable, "-c", code, docker.address)
            assert "204" in output, output
            uid = member.uid
            agent.wait_for(lambda: starts_with(agent, token), "the member's container starts")
    finally:
        os.chown(docker.address, before.st_uid, before.st_gid)
    (start,) = starts_with(agent, token)
    assert start["initiator"]["user"]["uid"] == uid
    assert start["start"]["trigger"] == "api_client"


def test_a_rootless_runtime_of_a_user_is_that_users(
    agent: Agent, mallory: Stranger, token: str
) -> None:
    """Bad input: user namespaces of plain users. What runs there is reported under its user."""
    number = len(agent.events)
    shell = mallory.copy("bash", "own/runc")
    mallory.file("own/run", f"unshare -Urpf --kill-child sh -c ': {token}; sleep 0.2'\n")
    mallory.run(shell, "run", unique("own"), cwd=shell.parent)
    agent.settle()
    for event in agent.events[number:]:
        if token in str(event) and event["type"] == "container.start":
            assert event["confidence"]["container"] != "exact"
            assert blames(event, mallory.uid)

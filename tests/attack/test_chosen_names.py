"""Names that an attacker chose: of cgroups, threads, files, interpreters and monitors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.agent import Agent
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import IMAGE
from lab.podman import Podman
from lab.strangers import Stranger, stranger
from tests.attack.conftest import blames

pytestmark = pytest.mark.e2e

ENGINE_GROUP = 4242
CGROUPS = Path("/sys/fs/cgroup")
LINKER = Path("/lib64/ld-linux-x86-64.so.2")
PERL = "/usr/bin/perl"
ASK = r"""
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection: $!";
print $s "POST /v1.41/containers/$ARGV[1]/start HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
$s->flush;
print <$s>;
"""
FROM_MEMORY = """
import os, sys
file = os.memfd_create("dockerd")
os.write(file, open(sys.argv[1], "rb").read())
os.execv(f"/proc/self/fd/{file}", ["dockerd", "-e", *sys.argv[2:]])
"""
IN_A_THREAD = """
import socket, sys, threading
def ask():
    open(f"/proc/self/task/{threading.get_native_id()}/comm", "w").write("containerd-shim")
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(f"POST /v1.41/containers/{sys.argv[2]}/start HTTP/1.0\\r\\n\\r\\n".encode())
    print(s.makefile("rb").read().decode())
thread = threading.Thread(target=ask)
thread.start()
thread.join()
"""
WHEN_MOVED = r"""
for (1 .. 300) {
    open(my $f, "<", "/proc/self/cgroup");
    last if grep { /docker-/ } <$f>;
    select(undef, undef, undef, 0.05);
}
"""


@pytest.fixture
def member(docker: Dockerd, reachable: Lab) -> Iterator[Stranger]:
    """A user who is let in to the engine's socket."""
    assert reachable.directory.exists()
    docker.address.parent.chmod(0o711)
    before = docker.address.stat()
    os.chown(docker.address, 0, ENGINE_GROUP)
    docker.address.chmod(0o660)
    with stranger("member", ENGINE_GROUP) as made:
        yield made
    os.chown(docker.address, before.st_uid, before.st_gid)


@pytest.fixture
def created(docker: Dockerd) -> tuple[str, str]:
    """A container that does not run: its name and id."""
    name = unique("web")
    done = docker.cli("create", "--name", name, "--network", "none", IMAGE, "sleep", "300")
    return name, done.stdout.strip()


WAYS: dict[str, list[str]] = {
    "linker": [str(LINKER), PERL, "-e", ASK],
    "memory": [sys.executable, "-c", FROM_MEMORY, PERL, ASK],
    "thread": [sys.executable, "-c", IN_A_THREAD],
    "user-namespace": ["unshare", "--user", "--map-root-user", PERL, "-e", ASK],
    "mount-namespace": ["unshare", "--user", "--map-root-user", "--mount", PERL, "-e", ASK],
    "interpreter": ["x/dockerd"],
    "renamed": ["x/containerd", "-e", ASK],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_member_is_named_whatever_the_program_is_called(
    agent: Agent, docker: Dockerd, member: Stranger, created: tuple[str, str], way: str
) -> None:
    """sec-caller-called-dockerd, by other routes. Expected: the member, and no other process."""
    if way == "linker" and not LINKER.exists():
        pytest.skip("another linker")
    member.file("x/dockerd", f"#!{PERL}\n{ASK}")
    member.copy(PERL, "x/containerd")
    name, container = created
    output = member.run(*WAYS[way], docker.address, name)
    assert " 204 " in output, output
    start = agent.one_start(container)
    assert start["initiator"] is not None, start["candidates"]
    assert start["initiator"]["user"]["uid"] == member.uid
    assert start["initiator"]["container_id"] is None
    assert start["start"]["trigger"] == "api_client"


def slice_of(user: Stranger, name: str) -> list[Path]:
    """Make a cgroup as a user may below the own slice, in each hierarchy that containers use.

    A process of its own makes it: what makes a cgroup called like a container's is taken for a
    runtime, and all that the test runs later would be a part of it.
    """
    inner = f"user.slice/user-{user.uid}.slice/{name}"
    roots = [CGROUPS / one for one in ("pids", "unified") if (CGROUPS / one).is_dir()]
    made = [root / inner for root in roots or [CGROUPS]]
    processes.run(["mkdir", "-p", *made])
    return made


def test_a_member_in_a_cgroup_called_like_a_container_blames_no_container(
    agent: Agent, docker: Dockerd, member: Stranger, created: tuple[str, str]
) -> None:
    """Expected: the member in no container; the innocent one is not named at all."""
    name, container = created
    innocent = docker.run("--network", "none", IMAGE, "sleep", "300")
    agent.one_start(innocent)
    places = slice_of(member, f"docker-{innocent}.scope")
    try:
        asking = member.begin([PERL, "-e", WHEN_MOVED + ASK, docker.address, name])
        for place in places:
            move = 'echo "$1" >"$2"'
            processes.run(["sh", "-c", move, "sh", str(asking.pid), place / "cgroup.procs"])
        output, _ = asking.communicate(timeout=60)
        assert " 204 " in output, output
        start = agent.one_start(container)
    finally:
        for place in places:
            place.rmdir()
            place.parent.rmdir()
        docker.remove([innocent, container])
    assert start["initiator"]["user"]["uid"] == member.uid
    assert start["initiator"]["container_id"] is None
    assert start["start"]["trigger"] == "api_client"
    assert innocent not in str(start)


def test_a_monitor_of_a_users_own_does_not_make_the_user_the_cause(
    agent: Agent, podman: Podman, mallory: Stranger
) -> None:
    """sec-forged-client-is-exact, by a conmon that names the container before its own does.

    Expected: root's command, exact.
    """
    name = unique("box")
    container = podman.run("--name", name, IMAGE, "sleep", "300")
    agent.exactly(1, "start", container)
    podman.cli("stop", "--time", "0", name)
    agent.exactly(1, "stop", container)
    mallory.copy("bash", "podman")
    mallory.copy("bash", "conmon")
    mallory.file("start", f"./conmon -c {container}; sleep 60\n")
    forged = mallory.begin(["./podman", "start", name])
    agent.settle()
    assert forged.poll() is None
    podman.cli("start", name)
    _, start = agent.exactly(2, "start", container)
    assert start["confidence"]["initiator"] == "exact"
    assert start["initiator"]["user"]["uid"] == 0
    assert not blames(start, mallory.uid)


def test_a_client_with_a_context_is_the_exact_cause(
    agent: Agent, docker: Dockerd, lab: Lab, created: tuple[str, str]
) -> None:
    """Expected: root's command, whatever a context calls the engine's socket."""
    name, container = created
    config = lab.sub("attack", "context")
    host = f"host=unix://{docker.address}"
    docker.cli("--config", config, "context", "create", "start", "--docker", host)
    environment = {key: value for key, value in docker.environment.items() if key != "DOCKER_HOST"}
    command = docker.command("--config", config, "--context", "start", "start", name)
    done = processes.run(command, env=environment)
    assert done.returncode == 0, done.stdout
    start = agent.one_start(container)
    assert start["confidence"]["initiator"] == "exact"
    assert start["initiator"]["process"]["argv"][-2:] == ["start", name]

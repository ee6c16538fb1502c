"""Scenarios of LXC, rootless Podman, Docker in Docker, and twenty short lives."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.vm.engines import (
    COMMAND_PATIENCE,
    IMAGE,
    PODMAN_IMAGE,
    ROOTFS,
    WORK,
    bundle,
    docker,
    docker_id,
    need,
    run,
)
from tests.vm.observer import Agent
from tests.vm.scenarios import scenario
from tests.vm.story import Expected

SHORT_LIVES = 20

ACCOUNT = "alice"
HOME = Path("/home") / ACCOUNT

LXC_PLACE = Path("/var/lib/lxc")
LXC_SETTINGS = """\
lxc.rootfs.path = dir:{rootfs}
lxc.uts.name = {name}
lxc.net.0.type = empty
lxc.init.cmd = /bin/true
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc
"""

_DOCKER_IN_DOCKER = """\
set -e
mkdir /sys/fs/cgroup/init
echo 1 >/sys/fs/cgroup/init/cgroup.procs
dockerd --iptables=false --bridge=none --storage-driver=vfs >/tmp/log 2>&1 &
until docker info >/dev/null 2>&1; do sleep 1; done
docker import - inner:1 </given/rootfs.tar >/dev/null
docker run --net=none --name=inner inner:1 true
docker inspect --format '{{.Id}}' inner >/given/inner-id
"""


@scenario
def twenty_short_lives(_: Agent) -> list[Expected]:
    names = [f"short-{number:02d}" for number in range(SHORT_LIVES)]
    with bundle(["/bin/busybox", "true"]) as directory:
        for name in names:
            run("runc", "run", "--bundle", str(directory), name)
    return [Expected(name, None, None, stops=[0]) for name in names]


@scenario
def lxc_start(_: Agent) -> list[Expected]:
    need("lxc-start")
    home = LXC_PLACE / "lexical"
    shutil.copytree(ROOTFS, home / "rootfs", symlinks=True)
    (home / "config").write_text(LXC_SETTINGS.format(rootfs=home / "rootfs", name=home.name))
    run("lxc-start", "--name", home.name, "--foreground")
    return [Expected(home.name, home.name, None, stops=[0])]


def _as_account(*command: str) -> str:
    """Run a command as the account, in its own systemd session."""
    runtime = f"/run/user/{run('id', '-u', ACCOUNT)}"
    session = (f"XDG_RUNTIME_DIR={runtime}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus")
    settings = ("env", f"HOME={HOME}", *session)
    return run("runuser", "-u", ACCOUNT, "--", *settings, *command)


@scenario
def podman_of_an_account(_: Agent) -> list[Expected]:
    """Rootless: engine, storage and cgroup are the account's."""
    run("useradd", "--create-home", ACCOUNT, check=False)
    run("loginctl", "enable-linger", ACCOUNT)
    bus = Path(f"/run/user/{run('id', '-u', ACCOUNT)}/bus")
    end = time.monotonic() + COMMAND_PATIENCE
    while not bus.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"no session of {ACCOUNT}")
        time.sleep(1)
    os.chdir("/")  # The account may not be allowed to see the job's directory.
    podman = ("podman", "--storage-driver=vfs")
    _as_account(*podman, "import", str(WORK / "rootfs.tar"), PODMAN_IMAGE)
    _as_account(*podman, "run", "--net=none", "--name=own", PODMAN_IMAGE, "true")
    found = _as_account(*podman, "inspect", "--format", "{{.Id}}", "own")
    return [Expected(found, "own", PODMAN_IMAGE, stops=[0])]


@scenario
def docker_in_docker(_: Agent) -> list[Expected]:
    given = WORK / "given"
    given.mkdir()
    (given / "script").write_text(_DOCKER_IN_DOCKER)
    shutil.copy(WORK / "rootfs.tar", given / "rootfs.tar")
    of_the_guest = [f"--volume=/usr/{name}:/{name}:ro" for name in ("bin", "sbin", "lib", "lib64")]
    docker(
        *("run", "--privileged", "--net=none", "--name=outer", "--volume=/usr:/usr:ro"),
        *(*of_the_guest, "--volume=/etc:/etc:ro", "--tmpfs=/run", "--tmpfs=/tmp:exec"),
        *("--volume=/var/lib/docker", f"--volume={given}:/given", IMAGE, "sh", "/given/script"),
    )
    inner = (given / "inner-id").read_text().strip()
    return [
        Expected(docker_id("outer"), "outer", IMAGE, stops=[0]),
        Expected(inner, "inner", "inner:1", stops=[0]),
    ]

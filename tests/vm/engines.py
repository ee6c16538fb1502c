"""Engines and runtimes of a guest, and the one busybox that is their image and bundle."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

IMAGE = "castoff-vm/busybox:1"
PODMAN_IMAGE = "localhost/castoff-vm/busybox:1"
WORK = Path("/run/castoff-vm")
ROOTFS = WORK / "rootfs"

COMMAND_PATIENCE = 300
"""Seconds that one command may take."""


class Skip(Exception):
    """This guest lacks what the scenario is about."""


def run(*command: str, check: bool = True, feed: bytes | None = None) -> str:
    """Run a command; returns what it printed. A failure carries what it said.

    Raises :class:`Skip` where the guest has no such program.
    """
    need(command[0])
    done = subprocess.run(
        command, input=feed, capture_output=True, check=False, timeout=COMMAND_PATIENCE
    )
    if check and done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()[-1500:]
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace").strip()


PACKAGES = ("containerd", "crun", "docker.io", "podman", "python3-bpfcc", "runc", "systemd")


def versions() -> dict[str, str]:
    """Upstream versions of what this guest runs, by Debian package."""
    show = ("dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n", *PACKAGES)
    listed = run(*show, check=False)
    pairs = (line.partition(" ") for line in listed.splitlines())
    return {name: re.split("[~+-]", version)[0] for name, _, version in pairs if version}


def as_person(login: int, *command: str) -> str:
    """Run a command as root with the login uid of a person who logged in and became root."""
    script = 'echo "$0" >/proc/self/loginuid && exec "$@"'
    return run("/bin/sh", "-c", script, str(login), *command)


def docker(*arguments: str, check: bool = True) -> str:
    return run("docker", *arguments, check=check)


def podman(*arguments: str, runtime: str = "crun", check: bool = True) -> str:
    return run("podman", "--runtime", runtime, *arguments, check=check)


def docker_id(name: str) -> str:
    return docker("inspect", "--format", "{{.Id}}", name)


def podman_id(name: str) -> str:
    return run("podman", "inspect", "--format", "{{.Id}}", name)


def need(program: str) -> str:
    """Path of a program, or the scenario is skipped."""
    path = shutil.which(program)
    if path is None:
        raise Skip(f"{program} is not installed")
    return path


@contextlib.contextmanager
def bundle(
    args: list[str], *, without: tuple[str, ...] = (), cgroup: str | None = None
) -> Iterator[Path]:
    """An OCI bundle of a busybox that runs ``args``, without some of the usual namespaces."""
    kinds = [kind for kind in ("pid", "ipc", "uts", "mount", "network") if kind not in without]
    config: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }
    if cgroup is not None:
        config["linux"]["cgroupsPath"] = cgroup
    with tempfile.TemporaryDirectory(prefix="bundle-") as name:
        directory = Path(name)
        shutil.copytree(ROOTFS, directory / "rootfs", symlinks=True)
        (directory / "config.json").write_text(json.dumps(config))
        yield directory


def prepare_rootfs() -> None:
    """Make the one root file system."""
    # systemd-nspawn takes a directory without usr/ for no operating system.
    for name in ("bin", "proc", "dev", "etc", "sys", "tmp", "usr"):
        (ROOTFS / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", ROOTFS / "bin" / "busybox")
    for applet in ("sh", "true", "sleep", "echo", "cat"):
        (ROOTFS / "bin" / applet).symlink_to("busybox")


def prepare() -> None:
    """Make the one root file system and give it to the engines that are here as an image."""
    prepare_rootfs()
    archive = str(WORK / "rootfs.tar")
    run("tar", "-c", "-C", str(ROOTFS), "-f", archive, ".")
    for engine, image in (("docker", IMAGE), ("podman", PODMAN_IMAGE)):
        if shutil.which(engine) is not None:
            run(engine, "import", archive, image)

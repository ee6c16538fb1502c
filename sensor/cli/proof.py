"""One harmless container, started by whatever runtime is installed and gone at once.

It runs ``true`` of the host itself: its root file system is an empty directory into which the
host's programs and libraries are bound, read-only, so that no image and no network are needed. A
runtime run by hand comes first, since it needs no daemon.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60.0
"""How long the runtime may take."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = ("/usr/bin/true", "/bin/true")
SHARED = ("usr", "bin", "lib", "lib32", "lib64", "nix", "gnu")
"""Directories at the root that hold programs and libraries; links among them are made again."""
PASSED = (
    "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "CONTAINER_HOST", "CONTAINERD_ADDRESS",
    "XDG_RUNTIME_DIR",
)  # fmt: skip
"""Variables by which a client finds the engine that its user works with."""
_SAID = 400


@dataclass(frozen=True, slots=True)
class Proof:
    """How the start of a container went. ``problem`` is what its runtime said when it failed."""

    runtime: str
    name: str
    command: tuple[str, ...]
    problem: str | None


def new_name() -> str:
    """Return a name that no other container has."""
    return f"castoff-selftest-{secrets.token_hex(4)}"


def runtimes() -> dict[str, str]:
    """Return where each known runtime is, in the order of choice."""
    return {name: where for name in _WAYS if (where := shutil.which(name, path=PATH))}


def start(runtime: str, where: str, name: str, program: str | None = None) -> Proof:
    """Run a container of that name and wait for its end; ``program`` instead of ``true``."""
    program = program or next((one for one in PROGRAMS if os.access(one, os.X_OK)), PROGRAMS[0])
    with tempfile.TemporaryDirectory(prefix="castoff-selftest-") as temporary:
        directory = Path(temporary)
        binds = lay_out(directory / "rootfs")
        try:
            problem = _WAYS[runtime](where, directory, name, binds, program)
        except subprocess.TimeoutExpired:
            problem = f"{runtime} did not end within {SECONDS:g} s"
    return Proof(runtime, name, (program,), problem)


def lay_out(rootfs: Path) -> list[str]:
    """Make the root's directories and links; return the directories to bind."""
    for name in ("proc", "dev", "etc", "sys"):
        (rootfs / name).mkdir(parents=True)
    binds = []
    for name in SHARED:
        on_host = Path("/", name)
        if on_host.is_symlink():
            (rootfs / name).symlink_to(on_host.readlink())
        elif on_host.is_dir():
            (rootfs / name).mkdir()
            binds.append(f"/{name}")
    return binds


def run(*command: str, before: Callable[[], None] | None = None) -> str | None:
    """Run a command; return what it said when it failed. ``before`` runs in its process."""
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=SECONDS,
        preexec_fn=before,
        env={"PATH": PATH, "HOME": "/root"}
        | {name: os.environ[name] for name in PASSED if name in os.environ},
    )
    if not done.returncode:
        return None
    said = done.stderr.decode("utf-8", "replace").strip()[-_SAID:]
    return said or f"{command[0]} ended with {done.returncode}"


def output_of(*command: str) -> str:
    """Return what a command prints; nothing where it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        timeout=SECONDS,
        text=True,
        env={"PATH": PATH, "HOME": "/root"}
        | {name: os.environ[name] for name in PASSED if name in os.environ},
    )
    return done.stdout if not done.returncode else ""


def _through_runtime(
    where: str, directory: Path, name: str, binds: list[str], program: str
) -> str | None:
    (directory / "config.json").write_text(json.dumps(_bundle(binds, program)))
    # A state directory of our own leaves nothing in the one that the engines share.
    root = ("--root", str(directory / "state"))
    try:
        return run(where, *root, "run", "--bundle", str(directory), name)
    finally:
        run(where, *root, "delete", "--force", name)


def _through_podman(
    where: str, directory: Path, name: str, binds: list[str], program: str
) -> str | None:
    volumes = [f"--volume={one}:{one}:ro" for one in binds]
    options = ["--rm", "--network=none", "--name", name, *volumes]
    return run(where, "run", *options, "--rootfs", str(directory / "rootfs"), program)


def _through_docker(
    where: str, directory: Path, name: str, binds: list[str], program: str
) -> str | None:
    archive = shutil.make_archive(str(directory / "image"), "tar", directory / "rootfs")
    image = f"{name}:latest"
    problem = run(where, "import", archive, image)
    if problem is not None:
        return problem
    volumes = [f"--volume={one}:{one}:ro" for one in binds]
    try:
        return run(where, "run", "--rm", "--network=none", "--name", name, *volumes, image, program)
    finally:
        run(where, "rmi", "--force", image)


def _bundle(binds: list[str], program: str) -> dict[str, object]:
    """Return an OCI configuration: no network, no capability, a read-only root."""
    mounts = [
        {"destination": one, "type": "bind", "source": one, "options": ["rbind", "ro"]}
        for one in binds
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": [program],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "castoff-selftest",
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, *mounts],
        "linux": {
            "namespaces": [{"type": one} for one in ("pid", "network", "ipc", "uts", "mount")]
        },
    }


_WAYS: dict[str, Callable[[str, Path, str, list[str], str], str | None]] = {
    "runc": _through_runtime,
    "crun": _through_runtime,
    "podman": _through_podman,
    "docker": _through_docker,
}

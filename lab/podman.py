"""Podman with storage of its own, runc and cgroupfs."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab import processes
from lab.engines import Lab
from lab.image import CHANGES, IMAGE, BoxImage

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:20000", "nproc=1024:4096"]

[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""

STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{home}/root"
runroot = "{home}/run"
"""


class Podman:
    """A podman that needs no daemon: each command is its own engine."""

    def __init__(self, lab: Lab) -> None:
        home = lab.sub("podman")
        (home / "containers.conf").write_text(CONTAINERS_CONF)
        (home / "storage.conf").write_text(STORAGE_CONF.format(home=home))
        self._cid_files = lab.sub("podman", "cid")
        self._environment = {
            "CONTAINERS_CONF": str(home / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
            **lab.mark,
        }
        self._roots = [
            *("--root", home / "root"),
            *("--runroot", home / "run"),
            *("--tmpdir", home / "tmp"),
        ]

    @property
    def environment(self) -> dict[str, str]:
        return dict(self._environment)

    def command(self, *words: str | Path) -> list[str]:
        return ["podman", *map(str, self._roots), *map(str, words)]

    def cli(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return processes.run(self.command(*words), env=self._environment, check=check)

    def import_image(self, image: BoxImage) -> None:
        changes = [word for change in CHANGES for word in ("--change", change)]
        self.cli("import", *changes, image.archive, IMAGE)

    def image_id(self) -> str:
        """Return the image's id as podman keeps it: without the name of its digest."""
        return self.cli("image", "inspect", "--format", "{{.Id}}", IMAGE).stdout.strip()

    def run(self, *words: str) -> str:
        """``podman run --detach``; returns the full id."""
        return self.cli("run", "--detach", "--network=none", *words).stdout.strip()

    def run_to_end(self, *words: str, login: int | None = None) -> tuple[str, int]:
        """``podman run`` in the foreground; returns the full id and the exit code."""
        cid_file = self._cid_files / secrets.token_hex(8)
        command = self.command("run", "--cidfile", cid_file, "--network=none", *words)
        if login is not None:
            command = processes.as_login(login, command)
        done = processes.run(command, env=self._environment, check=False)
        assert cid_file.exists(), f"no container: {done.stderr}"
        return cid_file.read_text(), done.returncode

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self.cli("container", "inspect", container).stdout)
        assert isinstance(found, dict)
        return found

    def remove_all(self) -> None:
        self.cli("unpause", "--all", check=False)
        self.cli("rm", "--force", "--all", "--time", "0", check=False)


def installed() -> bool:
    return all(shutil.which(name) for name in ("podman", "conmon", "runc"))

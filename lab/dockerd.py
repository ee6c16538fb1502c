"""dockerd with roots of its own on top of the tests' containerd, driven through the docker command.

No bridge and no iptables rule is made: containers have no network unless a test asks for the
host's.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab import processes
from lab.containerd import Containerd
from lab.daemon import Daemon
from lab.engines import Lab
from lab.image import CHANGES, IMAGE, BoxImage
from lab.waiting import until

DEBIAN_DOCKER = Path("/usr/bin/docker")
"""Preferred where it is: another docker in the PATH may be newer than this dockerd, and a newer one
builds images with a plugin that Debian 12 does not have."""

RENAMED_RUNTIME = "harmless"
"""A runtime that dockerd knows under this name: a copy of runc whose file is called otherwise."""


class Dockerd:
    """One dockerd; ``address`` is its socket."""

    def __init__(self, lab: Lab, containerd: Containerd) -> None:
        home = lab.sub("docker")
        self.address = home / "docker.sock"
        self._program = str(DEBIAN_DOCKER) if DEBIAN_DOCKER.exists() else "docker"
        self._network_state = home / "root" / "network"
        self._cid_files = lab.sub("docker", "cid")
        self._environment = {
            "DOCKER_HOST": f"unix://{self.address}",
            "DOCKER_CONFIG": str(lab.sub("docker", "client")),
        }
        self.renamed_runtime = lab.sub("docker", "programs") / "harmless-helper"
        shutil.copy2(shutil.which("runc") or "/usr/sbin/runc", self.renamed_runtime)
        config = home / "daemon.json"
        config.write_text(
            json.dumps({"runtimes": {RENAMED_RUNTIME: {"path": str(self.renamed_runtime)}}})
        )
        self.daemon = Daemon(
            lab,
            "dockerd",
            [
                "dockerd",
                *("--config-file", config),
                *("--data-root", home / "root"),
                *("--exec-root", home / "exec"),
                *("--pidfile", home / "dockerd.pid"),
                *("--host", f"unix://{self.address}"),
                *("--containerd", containerd.address),
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
            ],
        )

    # ------------------------------------------------------------------ the daemon

    def start(self) -> None:
        # dockerd 20.10 without a bridge never forgets the network of a container that is gone, and
        # takes 100 ms at its next start to clean up after each.
        shutil.rmtree(self._network_state, ignore_errors=True)
        self.daemon.start(self._answers)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.daemon.stop(number)

    def _answers(self) -> bool:
        return self.address.exists() and self.cli("version", check=False).returncode == 0

    def import_image(self, image: BoxImage) -> None:
        changes = [word for change in CHANGES for word in ("--change", change)]
        self.cli("import", *changes, image.archive, IMAGE)

    def save_image(self, archive: Path) -> None:
        self.cli("save", "--output", archive, IMAGE)

    def image_id(self) -> str:
        return self.cli("image", "inspect", "--format", "{{.Id}}", IMAGE).stdout.strip()

    # ------------------------------------------------------------------ the command

    def command(self, *words: str | Path) -> list[str]:
        """Return a docker command as a person would type it, for a process of its own."""
        return [self._program, *map(str, words)]

    @property
    def environment(self) -> dict[str, str]:
        return dict(self._environment)

    def cli(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return processes.run(self.command(*words), env=self._environment, check=check)

    def run(self, *words: str) -> str:
        """``docker run --detach``; returns the full id."""
        return self.cli("run", "--detach", *words).stdout.strip()

    def run_to_end(self, *words: str, login: int | None = None) -> tuple[str, int]:
        """``docker run`` in the foreground; returns the full id and the exit code."""
        cid_file = self._cid_files / secrets.token_hex(8)
        command = self.command("run", "--cidfile", cid_file, *words)
        if login is not None:
            command = processes.as_login(login, command)
        done = processes.run(command, env=self._environment, check=False)
        assert cid_file.exists(), f"no container: {done.stderr}"
        return cid_file.read_text(), done.returncode

    # ------------------------------------------------------------------ the containers

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self.cli("container", "inspect", container).stdout)
        assert isinstance(found, dict)
        return found

    def await_exit(self, container: str) -> dict[str, Any]:
        """Wait until the container has ended and stays so; returns its State."""

        def ended() -> dict[str, Any] | None:
            state: dict[str, Any] = self.inspect(container)["State"]
            return None if state["Running"] or state["Restarting"] else state

        return until(ended, f"container {container} ends")

    def containers(self) -> list[str]:
        return self.cli("ps", "--all", "--quiet", "--no-trunc").stdout.split()

    def remove(self, containers: Iterable[str]) -> None:
        wanted = list(containers)
        if wanted:
            self.cli("rm", "--force", "--volumes", *wanted, check=False)

    def remove_all(self) -> None:
        self.remove(self.containers())

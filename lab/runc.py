"""runc by hand: bundles made here, a state root of its own, no engine above it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab import processes
from lab.engines import Lab
from lab.image import BoxImage

CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


class Runc:
    """A runc and the bundles that it runs; ``program`` may be a copy under any other name."""

    def __init__(
        self,
        lab: Lab,
        image: BoxImage,
        *,
        program: Path | None = None,
        root: Path | None = None,
    ) -> None:
        self.program = program or Path(shutil.which("runc") or "/usr/sbin/runc")
        self.root = root or lab.sub("runc", "state")
        self._bundles = lab.sub("bundles")
        self._rootfs = image.rootfs
        self._names: set[str] = set()

    def bundle(self, identity: str, *command: str, namespaces: tuple[str, ...] = ()) -> Path:
        """Make a bundle that runs ``command``; ``namespaces`` are all that it has of its own."""
        directory = self._bundles / identity
        directory.mkdir(exist_ok=True)
        kinds = namespaces or ("pid", "network", "ipc", "uts", "mount")
        mounts: list[dict[str, Any]] = [
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {"destination": "/proc", "type": "proc", "source": "proc"},
        ]
        config = {
            "ociVersion": "1.0.2",
            "process": {
                "terminal": False,
                "user": {"uid": 0, "gid": 0},
                "args": list(command),
                "env": ["PATH=/bin"],
                "cwd": "/",
                "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
                "noNewPrivileges": True,
            },
            "root": {"path": str(self._rootfs), "readonly": True},
            **({"hostname": "box"} if "uts" in kinds else {}),
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in kinds]},
        }
        (directory / "config.json").write_text(json.dumps(config))
        return directory

    def command(self, *words: str | Path) -> list[str]:
        return [str(self.program), "--root", str(self.root), *map(str, words)]

    def cli(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return processes.run(self.command(*words), check=check)

    def run(
        self, identity: str, *command: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a container of that id to its end."""
        self._names.add(identity)
        bundle = self.bundle(identity, *command)
        return self.cli("run", "--bundle", bundle, identity, check=check)

    def run_detached(self, identity: str, *command: str, namespaces: tuple[str, ...] = ()) -> None:
        """Run a container that stays behind when runc has ended."""
        self._leave_behind(
            identity, self.bundle(identity, *command, namespaces=namespaces), "run", "--detach"
        )

    def create(self, identity: str, *command: str) -> None:
        """Create a container that waits for ``start``."""
        self._leave_behind(identity, self.bundle(identity, *command), "create")

    def _leave_behind(self, identity: str, bundle: Path, *verb: str) -> None:
        # The container inherits the descriptors: a pipe would never see its end.
        self._names.add(identity)
        output = bundle / "output"
        with output.open("wb") as file:
            done = subprocess.run(
                self.command(*verb, "--bundle", bundle, identity),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
                timeout=60,
            )
        if done.returncode != 0:
            raise processes.CommandFailedError(output.read_text())

    def state(self, identity: str) -> dict[str, Any]:
        found = json.loads(self.cli("state", identity).stdout)
        assert isinstance(found, dict)
        return found

    def delete(self, identity: str) -> None:
        self.cli("delete", "--force", identity, check=False)
        self._names.discard(identity)

    def remove_all(self) -> None:
        for identity in list(self._names):
            self.cli("resume", identity, check=False)
            self.delete(identity)

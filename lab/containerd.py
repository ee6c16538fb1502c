"""containerd with roots of its own, driven through ctr. Its CRI plugin serves :mod:`cri`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import processes
from lab.daemon import Daemon
from lab.engines import Lab
from lab.image import IMAGE

KUBERNETES = "k8s.io"

CONFIG = """\
version = 2
root = "{home}/root"
state = "{home}/state"

[grpc]
  address = "{address}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  # A pause container wants -998, which needs CAP_SYS_RESOURCE; not every test machine grants it.
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{home}/cni"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{home}/runc"
"""


class Containerd:
    """One containerd; ``address`` is its socket."""

    def __init__(self, lab: Lab, called: str = "containerd") -> None:
        home = lab.sub(called)
        self.runc_root = lab.sub(called, "runc")
        self.address = home / "containerd.sock"
        config = home / "config.toml"
        config.write_text(CONFIG.format(home=home, address=self.address, image=IMAGE))
        self.daemon = Daemon(lab, called, ["containerd", "--config", config])
        self._home = home

    def start(self) -> None:
        self.daemon.start(self._answers)

    def stop(self) -> None:
        self.daemon.stop()

    def _answers(self) -> bool:
        if not self.address.exists():
            return False
        return self.ctr("version", check=False, timeout=10).returncode == 0

    def ctr(
        self,
        *words: str | Path,
        namespace: str = "default",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        command = ["ctr", "--address", self.address, "--namespace", namespace, *words]
        return processes.run(command, check=check, timeout=timeout)

    def import_image(self, archive: Path, namespace: str) -> None:
        self.ctr("images", "import", archive, namespace=namespace)

    def run(self, identity: str, *command: str, options: tuple[str, ...] = ()) -> None:
        """Run a container to its end, or in the background with the option ``--detach``."""
        self.ctr("run", "--runc-root", self.runc_root, *options, IMAGE, identity, *command)

    def containers(self, namespace: str = "default") -> list[str]:
        return self.ctr("containers", "list", "--quiet", namespace=namespace).stdout.split()

    def tasks(self, namespace: str = "default") -> dict[str, str]:
        """Return the status of every task by its container's id."""
        lines = self.ctr("tasks", "list", namespace=namespace).stdout.splitlines()[1:]
        return {line.split()[0]: line.split()[2] for line in lines}

    def remove_all(self, namespace: str = "default") -> None:
        for identity, status in self.tasks(namespace).items():
            if status == "PAUSED":
                self.ctr("tasks", "resume", identity, namespace=namespace, check=False)
            self.ctr("tasks", "rm", "--force", identity, namespace=namespace, check=False)
        for identity in self.containers(namespace):
            self.ctr("containers", "rm", identity, namespace=namespace, check=False)

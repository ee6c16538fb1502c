"""Podman's API as a process that serves it."""

from __future__ import annotations

from lab.daemon import Daemon
from lab.engines import Lab
from lab.image import BoxImage
from lab.podman import Podman


class PodmanService:
    """Podman, and its API on the socket ``address``."""

    def __init__(self, lab: Lab, image: BoxImage) -> None:
        self.podman = Podman(lab)
        self.podman.import_image(image)
        self.address = lab.sub("podman") / "podman.sock"
        words = self.podman.command("system", "service", "--time=0", f"unix://{self.address}")
        env = [f"{name}={value}" for name, value in self.podman._environment.items()]
        self.daemon = Daemon(lab, "podman-service", ["env", *env, *words])

    def start(self) -> None:
        self.daemon.start(self.address.exists)

"""The real engines that behaviours run on, and the recording agent around each behaviour."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from lab.agent import COMMAND, Agent, holder, unload_probes
from lab.containerd import KUBERNETES, Containerd
from lab.cri import Cri
from lab.dockerd import Dockerd
from lab.engines import Lab, unique
from lab.image import BoxImage
from lab.podman import Podman
from lab.runc import Runc
from lab.waiting import until
from sensor.api.client import AgentClient
from sensor.errors import CastoffError

BUSY_SECONDS = 600.0
"""How long another agent on this node is waited for."""
STREAM_SECONDS = 60.0


class Engines:
    """The engines of a recording, each started when it is first asked for."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        self.lab = lab
        self._stack = stack
        self.streams: set[str] = set()
        """The event streams that an agent has to hear before a behaviour begins."""

    @cached_property
    def image(self) -> BoxImage:
        return BoxImage(self.lab)

    @cached_property
    def runc(self) -> Runc:
        return Runc(self.lab, self.image)

    @cached_property
    def containerd(self) -> Containerd:
        engine = Containerd(self.lab)
        engine.start()
        self._stack.callback(engine.stop)
        self.streams.add("containerd")
        return engine

    @cached_property
    def docker(self) -> Dockerd:
        engine = Dockerd(self.lab, self.containerd)
        engine.start()
        self._stack.callback(engine.stop)
        engine.import_image(self.image)
        self.streams.add("docker")
        return engine

    @cached_property
    def containerd_with_image(self) -> Containerd:
        archive = self.lab.directory / "image" / "image.tar"
        self.docker.save_image(archive)
        for namespace in ("default", KUBERNETES):
            self.containerd.import_image(archive, namespace)
        return self.containerd

    @cached_property
    def cri(self) -> Cri:
        client = Cri(self.lab, self.containerd_with_image)
        self._stack.callback(client.close)
        return client

    @cached_property
    def podman(self) -> Podman:
        engine = Podman(self.lab)
        engine.import_image(self.image)
        return engine

    def clear(self) -> None:
        """Remove the containers of a behaviour."""
        made = self.__dict__
        for name in ("docker", "cri", "podman", "runc"):
            if name in made:
                made[name].remove_all()
        if "containerd_with_image" in made:
            self.containerd.remove_all()


class Recorder(Agent):
    """``castoff record`` around one behaviour."""

    def __init__(self, engines: Engines, name: str) -> None:
        super().__init__(engines.lab, engines.runc, unique(name))
        self.pids: set[int] = set()
        self.capture = self.state_dir.parent / "raw.capture"
        self._engines = engines

    def command(self) -> list[str | Path]:
        where: list[str | Path] = ["--state-dir", self.state_dir, "--socket", self.socket]
        return [COMMAND, "record", self.capture, "--output", "-", "--audit", "off", *where]

    def start(self) -> None:
        """Start it on probes of its own and wait until it hears every engine."""
        self.resume(fresh=True)

    def resume(self, *, fresh: bool = False) -> None:
        """Start it anew on the probes that the one before left, with an empty capture."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            self.capture.unlink(missing_ok=True)
            try:
                if fresh:
                    unload_probes()
                self.launch()
                break
            except AssertionError:
                if holder() is None or time.monotonic() > deadline:
                    raise
                self.close()
                time.sleep(2)
        self.pids.add(self.pid)
        self.settle()
        until(self._hears_engines, f"{self._engines.streams} are heard", STREAM_SECONDS)

    def _hears_engines(self) -> bool:
        try:
            sources = AgentClient(self.socket).status().sources
        except CastoffError:
            return False
        heard = [source.name for source in sources if source.state == "running"]
        home = str(self._engines.lab.directory)
        return all(
            any(name.startswith(f"{stream}:{home}") for name in heard)
            for stream in self._engines.streams
        )

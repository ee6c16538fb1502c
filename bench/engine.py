"""A Docker of the bench's own: dockerd, containerd and runc, all below the lab's directory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.progress import say
from lab.containerd import Containerd
from lab.dockerd import Dockerd
from lab.image import BoxImage
from lab.runc import Runc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engines import Lab


@dataclass(frozen=True, slots=True)
class Engines:
    """What starts containers in a bench."""

    docker: Dockerd
    runc: Runc
    containerd: Containerd


@contextmanager
def engines(lab: Lab) -> Iterator[Engines]:
    """Start them, and stop them by their pids."""
    say("starting containerd and dockerd")
    image = BoxImage(lab)
    containerd = Containerd(lab)
    containerd.start()
    try:
        docker = Dockerd(lab, containerd)
        docker.start()
        try:
            docker.import_image(image)
            yield Engines(docker, Runc(lab, image), containerd)
            docker.remove_all()
        finally:
            docker.stop()
    finally:
        containerd.stop()

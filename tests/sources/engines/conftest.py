"""Engines of this test run: started once, and emptied after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab import engines as labs
from lab import podman as podmans
from lab.containerd import Containerd
from lab.dockerd import Dockerd
from lab.engines import Lab
from lab.image import BoxImage
from lab.requirements import cannot, need
from tests.sources.engines.podman_service import PodmanService


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        cannot("not root, and container engines need it")
    need("busybox", "runc")
    with labs.opened() as lab:
        yield lab


@pytest.fixture(scope="package")
def image(lab: Lab) -> BoxImage:
    return BoxImage(lab)


@pytest.fixture(scope="package")
def running_containerd(lab: Lab) -> Iterator[Containerd]:
    need("containerd", "ctr")
    containerd = Containerd(lab)
    containerd.start()
    yield containerd
    containerd.stop()


@pytest.fixture(scope="package")
def running_dockerd(lab: Lab, image: BoxImage, running_containerd: Containerd) -> Iterator[Dockerd]:
    need("dockerd", "docker")
    dockerd = Dockerd(lab, running_containerd)
    dockerd.start()
    dockerd.import_image(image)
    archive = lab.directory / "image" / "docker.tar"
    dockerd.save_image(archive)
    running_containerd.import_image(archive, "default")
    yield dockerd
    dockerd.stop()


@pytest.fixture
def dockerd(running_dockerd: Dockerd) -> Iterator[Dockerd]:
    yield running_dockerd
    running_dockerd.remove_all()


@pytest.fixture
def containerd(
    running_containerd: Containerd,
    running_dockerd: Dockerd,  # noqa: ARG001 - it puts the image there
) -> Iterator[Containerd]:
    yield running_containerd
    running_containerd.remove_all()


@pytest.fixture(scope="package")
def running_podman(lab: Lab, image: BoxImage) -> Iterator[PodmanService]:
    if not podmans.installed():
        need("podman", "conmon", "runc")
    service = PodmanService(lab, image)
    service.start()
    yield service
    service.daemon.stop()


@pytest.fixture
def podman(running_podman: PodmanService) -> Iterator[PodmanService]:
    yield running_podman
    running_podman.podman.remove_all()

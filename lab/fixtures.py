"""Engines for a whole run, an agent for each test module, and containers removed after each test.

``tests/conftest.py`` offers these fixtures to every folder that starts engines. Without root, or
without an engine, the tests skip and say why. With ``CASTOFF_E2E=required`` they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from lab import engines as labs
from lab import podman as podmans
from lab.agent import Agent, holder, summaries, unload_probes
from lab.containerd import KUBERNETES, Containerd
from lab.cri import Cri
from lab.daemon import tail
from lab.dockerd import Dockerd
from lab.engines import Lab
from lab.image import BoxImage, busybox
from lab.podman import Podman
from lab.requirements import cannot, need
from lab.runc import Runc

LAB = pytest.StashKey[Lab]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    lab = item.session.stash.get(LAB, None)
    if report.failed and lab is not None:
        report.sections.extend((f"log of {name}", tail(path)) for name, path in lab.logs.items())
    return report


# ---------------------------------------------------------------------- for the whole run


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if os.geteuid() != 0:
        cannot("not root, and container engines and BPF need it")
    with labs.opened() as opened:
        request.session.stash[LAB] = opened
        yield opened


@pytest.fixture(scope="session")
def image(lab: Lab) -> BoxImage:
    if busybox() is None:
        cannot("busybox not installed; fix: make setup-test")
    return BoxImage(lab)


@pytest.fixture(scope="session")
def containerd_engine(lab: Lab) -> Iterator[Containerd]:
    need("containerd", "ctr", "runc")
    engine = Containerd(lab)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def docker_engine(lab: Lab, containerd_engine: Containerd, image: BoxImage) -> Iterator[Dockerd]:
    need("dockerd", "docker")
    engine = Dockerd(lab, containerd_engine)
    engine.start()
    engine.import_image(image)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def images_in_containerd(
    lab: Lab, containerd_engine: Containerd, docker_engine: Dockerd
) -> Containerd:
    archive = lab.directory / "image" / "image.tar"
    docker_engine.save_image(archive)
    for namespace in ("default", KUBERNETES):
        containerd_engine.import_image(archive, namespace)
    return containerd_engine


@pytest.fixture(scope="session")
def cri_client(lab: Lab, images_in_containerd: Containerd) -> Iterator[Cri]:
    client = Cri(lab, images_in_containerd)
    yield client
    client.close()


@pytest.fixture(scope="session")
def podman_engine(lab: Lab, image: BoxImage) -> Podman:
    if not podmans.installed():
        cannot("podman, conmon or runc not installed; fix: make setup-test")
    engine = Podman(lab)
    engine.import_image(image)
    return engine


@pytest.fixture(scope="session")
def runc_program(lab: Lab, image: BoxImage) -> Runc:
    need("runc")
    return Runc(lab, image)


@pytest.fixture(scope="session")
def _probes(lab: Lab) -> Iterator[Lab]:
    """Probes of this run only: none at its beginning, none at its end."""
    if (pid := holder()) is not None:
        cannot(f"an agent runs on this node already: pid {pid}")
    unload_probes()
    yield lab
    unload_probes()


# ---------------------------------------------------------------------- for one test


@pytest.fixture
def docker(docker_engine: Dockerd) -> Iterator[Dockerd]:
    yield docker_engine
    docker_engine.remove_all()


@pytest.fixture
def containerd(images_in_containerd: Containerd) -> Iterator[Containerd]:
    yield images_in_containerd
    images_in_containerd.remove_all()


@pytest.fixture
def cri(cri_client: Cri) -> Iterator[Cri]:
    yield cri_client
    cri_client.remove_all()


@pytest.fixture
def podman(podman_engine: Podman) -> Iterator[Podman]:
    yield podman_engine
    podman_engine.remove_all()


@pytest.fixture
def runc(runc_program: Runc) -> Iterator[Runc]:
    yield runc_program
    runc_program.remove_all()


# ---------------------------------------------------------------------- the agent


@pytest.fixture(scope="module")
def agent(request: pytest.FixtureRequest, _probes: Lab, runc_program: Runc) -> Iterator[Agent]:
    """An agent that runs while the module's tests do, and is asked for its honesty after them."""
    running = Agent(_probes, runc_program, request.module.__name__.rpartition(".")[2])
    try:
        running.start()
        yield running
        running.settle()
        running.stop()
    finally:
        running.close()
    assert not running.repeated(), f"reported twice:\n{summaries(running.repeated())}"
    assert not running.false_gaps(), f"no such gap:\n{summaries(running.false_gaps())}"


@pytest.fixture
def own_agent(request: pytest.FixtureRequest, _probes: Lab, runc_program: Runc) -> Iterator[Agent]:
    """An agent for the test to start, stop and kill; it knows nothing of earlier ones."""
    mine = Agent(_probes, runc_program, request.node.name)
    yield mine
    mine.close()

"""Real probes in a pin root of their own, and containers run by runc to look at.

Other containers may start on the machine meanwhile, so every test looks only at records of its own
descendants: the processes that have this one among their ancestors.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.requirements import cannot
from sensor.bpf import loader, pins
from sensor.bpf.btf import VMLINUX
from tests.bpf.live import Bundle, Listener, Probes, loaded_probes

BUSYBOX = Path("/bin/busybox")


def why_not() -> str | None:
    """Return why BPF programs cannot be tested here."""
    if os.geteuid() != 0:
        return "needs root to load BPF programs"
    if not VMLINUX.exists():
        return f"this kernel has no BTF at {VMLINUX}"
    return None


def why_no_containers() -> str | None:
    """Return why runc cannot run anything here."""
    if shutil.which("runc") is None:
        return "needs runc: apt-get install runc"
    if not BUSYBOX.exists():
        return "needs a static busybox: apt-get install busybox-static"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if reason is not None and item.get_closest_marker("kernel") is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def pin_root() -> Iterator[Path]:
    """A place for pins of its own."""
    root = pins.BPFFS / f"castoff-test-{os.getpid()}"
    pins.mount_bpffs()
    yield root
    if root.exists():
        for entry in root.iterdir():
            pins.PinSet(entry).remove()
        root.rmdir()


@pytest.fixture(scope="session")
def shared_probes() -> Iterator[Probes]:
    """The probes as they ship, but for their rings: those of a node would take 36 MiB.

    To compile them takes several seconds, so all modules have the same.
    """
    with loaded_probes("session", lifecycle_pages=256, commands_pages=256) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def probes(shared_probes: Probes) -> Probes:
    """The same, without what other modules' tests left in the rings."""
    shared_probes.drain()
    return shared_probes


@pytest.fixture
def listener(probes: Probes) -> Listener:
    """What the probes report of this process's descendants from now on."""
    return Listener(probes)


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    """A runc bundle with a busybox in it; what is left of its container is deleted afterwards."""
    reason = why_no_containers()
    if reason is not None:
        cannot(reason)
    binaries = tmp_path / "rootfs" / "bin"
    binaries.mkdir(parents=True)
    shutil.copy(BUSYBOX.resolve(), binaries / "busybox")
    for name in ("sh", "true", "sleep", "dd"):
        (binaries / name).symlink_to("busybox")
    made = Bundle(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(made.config))
    yield made
    made.delete()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the probes' sources that may be changed."""
    copy = tmp_path / "probes"
    shutil.copytree(loader.SOURCES, copy)
    monkeypatch.setattr(loader, "SOURCES", copy)
    return copy

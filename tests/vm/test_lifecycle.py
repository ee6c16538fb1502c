"""The packages under systemd in a guest: installed, configured, upgraded under load, purged.

    make vm CELL=lifecycle

A guest takes some ten minutes under software emulation. CASTOFF_VM_STEPS names steps to take alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm import image, machine, support
from tests.vm.lifecycle import STEPS

ROOT = Path(__file__).parents[2]
KERNEL = os.environ.get("CASTOFF_VM_KERNEL", "bookworm")

WITHOUT_ENGINES = ("systemd.mask=docker.service", "systemd.mask=containerd.service")
"""These guests use runtimes alone; booting two daemons would take minutes of emulation."""

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(
        os.environ.get("CASTOFF_VM") != "1",
        reason="guests take minutes under emulation; run them with: make vm CELL=lifecycle",
    ),
]


def tree_of(version: str, directory: Path) -> Path:
    """A copy of the source with another version, whose probes are another set."""
    target = directory / f"castoff-{version}"
    for part in ("packaging", "probes", "rules", "sensor"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "README.md"):
        shutil.copy(ROOT / name, target)
    replace(target / "sensor/__init__.py", r'__version__ = ".*"', f'__version__ = "{version}"')
    replace(target / "packaging/debian/changelog", r"^castoff \(.*?\)", f"castoff ({version})")
    with (target / "probes/record.h").open("a") as header:
        header.write(f"/* {version} */\n")
    return target


def replace(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text(), count=1)
    assert count == 1, path
    path.write_text(changed)


def built(kind: str, directory: Path) -> dict[str, Path]:
    """Packages of two versions, by the names that they have in the guest."""
    packages = {}
    for name, version in (("old", "0.0.8"), ("new", "0.0.9")):
        output = directory / name
        subprocess.run(
            [tree_of(version, directory) / f"packaging/build-{kind}.sh", output], check=True
        )
        (packages[f"{name}.{kind}"],) = output.glob(f"*.{kind}")
    return packages


def show(report: machine.Report) -> None:
    """Show how far the guest is, with -s."""
    sys.stderr.write(f"{report}\n")
    sys.stderr.flush()


@pytest.fixture(scope="module", params=sorted(STEPS))
def reports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, machine.Report]:
    kind = request.param
    missing = image.missing_tools()
    assert not missing, f"not installed: {', '.join(missing)}; run: make vm"
    directory = tmp_path_factory.mktemp(f"lifecycle-{kind}")
    job = directory / "job"
    steps = os.environ.get("CASTOFF_VM_STEPS", "")
    job.write_text(f"#!/bin/sh\ncd castoff && exec python3 -m tests.vm.lifecycle {kind} {steps}\n")
    console = directory / "console.log"
    kernel, root = image.kernel(KERNEL), image.root_image()
    packages = built(kind, directory)
    with machine.boot(kernel, root, job, console, packages, WITHOUT_ENGINES) as guest:
        found = guest.read(show)
    support.booted(request.node.nodeid, kind, found)
    return {str(report["name"]): report for report in found if report["what"] == "step"}


@pytest.mark.parametrize(
    ("reports", "step"),
    [(kind, step.__name__) for kind, steps in sorted(STEPS.items()) for step in steps],
    indirect=["reports"],
)
def test_step(reports: dict[str, machine.Report], step: str) -> None:
    report = reports.get(step)
    if report is None and os.environ.get("CASTOFF_VM_STEPS"):
        pytest.skip("not among CASTOFF_VM_STEPS")
    assert report is not None, f"the guest did not come so far: {list(reports)}"
    assert report["ok"], report["detail"]

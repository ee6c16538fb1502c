"""The packages under systemd: installed, configured, upgraded under load, purged.

    make vm CELL=lifecycle     in a guest, some ten minutes of emulation for each kind of package
    make lifecycle             in namespaces of this kernel, a minute for each

CASTOFF_VM_STEPS names steps to take alone. CASTOFF_VM_PREVIOUS is the commit that is upgraded from.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.vm import image, machine, nest, support
from tests.vm.lifecycle import STEPS, steps
from tests.vm.scenarios import wanted

ROOT = Path(__file__).parents[2]
KERNEL = os.environ.get("CASTOFF_VM_KERNEL", "bookworm")

WITHOUT_ENGINES = ("systemd.mask=docker.service", "systemd.mask=containerd.service")
"""These guests use runtimes alone; booting two daemons would take minutes of emulation."""

PARTS = os.environ.get("CASTOFF_VM_STEPS", "").split()
NESTED = os.environ.get("CASTOFF_VM_NESTED") == "1"

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(
        os.environ.get("CASTOFF_VM") != "1" and not NESTED,
        reason="takes minutes; run it with: make lifecycle, or make vm CELL=lifecycle",
    ),
]


BUILDS = {"0.0.8": "Fri, 27", "0.0.9": "Sat, 28"}
"""The two versions that are installed, and their days: byte code is known to be old by its date."""

PARTS_OF_A_BUILD = ("packaging", "probes", "rules", "sensor", "LICENSE", "README.md")


def previous() -> str | None:
    """The newest commit whose probes are others than today's, where the history is at hand.

    An upgrade from it exchanges the programs in the kernel, the rings and what reads them.
    """
    named = os.environ.get("CASTOFF_VM_PREVIOUS")
    found = named or git("log", "-1", "--format=%P", "--", "probes/*.c", "probes/*.h")
    # A shallow copy of the history names commits that it lacks.
    return found if found and git("cat-file", "-t", found) == "commit" else None


def git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def tree_of(version: str, directory: Path, commit: str | None) -> Path:
    """A copy of the source with another version, whose probes are another set.

    It is of a commit, or of what lies here.
    """
    target = directory / f"castoff-{version}"
    target.mkdir()
    if commit is None:
        tar = ["tar", "-c", "-C", str(ROOT), "--exclude=__pycache__", *PARTS_OF_A_BUILD]
    else:
        tar = ["git", "-C", str(ROOT), "archive", commit, *PARTS_OF_A_BUILD]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packed:
        subprocess.run(["tar", "-x", "-C", target], stdin=packed.stdout, check=True)
    assert packed.returncode == 0, tar
    replace(target / "sensor/__init__.py", r'__version__ = ".*"', f'__version__ = "{version}"')
    replace(target / "packaging/debian/changelog", r"^castoff \(.*?\)", f"castoff ({version})")
    day = BUILDS[version]
    replace(target / "packaging/debian/changelog", r"^ -- (.*>)  \w+, \d+", rf" -- \1  {day}")
    with (target / "probes/record.h").open("a") as header:
        header.write(f"/* {version} */\n")
    return target


def replace(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, path
    path.write_text(changed)


def built(kind: str, directory: Path) -> dict[str, Path]:
    """Packages of two versions, by the names that they have in the guest.

    ``new.deb`` is what a node needs, ``new-report.deb`` an optional package.
    """
    packages = {}
    for name, version, commit in zip(("old", "new"), BUILDS, (previous(), None), strict=True):
        output = directory / name
        show({"what": "build", "name": name, "commit": commit})
        tree = tree_of(version, directory, commit)
        subprocess.run([tree / f"packaging/build-{kind}.sh", output], check=True)
        for package in output.glob(f"*.{kind}"):
            part = re.match(r"castoff(?:-[a-z]+)?", package.name)
            assert part is not None, package
            packages[f"{name}{part[0].removeprefix('castoff')}.{kind}"] = package
    return packages


def show(report: machine.Report) -> None:
    """Show how far the guest is, with -s."""
    sys.stderr.write(f"{report}\n")
    sys.stderr.flush()


@contextmanager
def started(directory: Path, job: Path, files: dict[str, Path]) -> Iterator[machine.Guest]:
    console, root = directory / "console.log", image.root_image()
    if NESTED:
        with nest.boot(root, job, console, files) as guest:
            yield guest
    else:
        kernel = image.kernel(KERNEL)
        with machine.boot(kernel, root, job, console, files, WITHOUT_ENGINES) as guest:
            yield guest


_played: dict[str, dict[str, machine.Report]] = {}
"""By kind of package: pytest makes a fixture anew for each pair of parameters."""


@pytest.fixture
def reports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, machine.Report]:
    kind = str(request.param)
    if kind not in _played:
        _played[kind] = {}
        _played[kind] = play(request, kind, tmp_path_factory.mktemp(f"lifecycle-{kind}"))
    return _played[kind]


def play(request: pytest.FixtureRequest, kind: str, directory: Path) -> dict[str, machine.Report]:
    """Take all steps of a kind of package."""
    why_not = nest.why_not() if NESTED else ", ".join(image.missing_tools())
    assert not why_not, f"{why_not}; run: make lifecycle"
    job = directory / "job"
    words = " ".join((kind, *PARTS))
    job.write_text(f"#!/bin/sh\ncd castoff && exec python3 -m tests.vm.lifecycle {words}\n")
    files = built(kind, directory) | {
        "service-test": ROOT / "packaging/debian/tests/service",
        "castoff-normalize.service": ROOT / "deploy/normalize/castoff-normalize.service",
    }
    with started(directory, job, files) as guest:
        found = guest.read(show)
    support.booted(request.node.nodeid, kind, found)
    return {str(report["name"]): report for report in found if report["what"] == "step"}


@pytest.mark.parametrize(
    ("reports", "step"),
    [
        (kind, one.__name__)
        for kind in sorted(STEPS)
        for one in steps(kind, nested=NESTED)
        if wanted(one.__name__, PARTS)
    ],
    indirect=["reports"],
)
def test_each_step_of_the_packages_life_succeeds(
    reports: dict[str, machine.Report], step: str
) -> None:
    report = reports.get(step)
    assert report is not None, f"the guest did not come so far: {list(reports)}"
    assert report["ok"], report["detail"]

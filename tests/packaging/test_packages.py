"""The packages themselves: built twice, checked by the distributions' own tools, taken apart.

They need tools that no other test needs and take a minute: `make packages-test`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "rpmbuild", "rpmlint")
DEB_MAX = 1536 * 1024
"""Bytes of the Debian package."""

pytestmark = pytest.mark.packages


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two directories with the packages of two builds."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        reason = f"not installed: {', '.join(missing)}; run: make packages-test"
        if os.environ.get("CASTOFF_PACKAGES") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    for directory in (first, second):
        run(ROOT / "packaging/build-deb.sh", directory)
        run(ROOT / "packaging/build-rpm.sh", directory)
    return first, second


def only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


@pytest.mark.parametrize("pattern", ["*.deb", "*.rpm"])
def test_two_builds_are_identical(builds: tuple[Path, Path], pattern: str) -> None:
    first, second = (only(directory, pattern).read_bytes() for directory in builds)
    assert first == second


def test_lintian_finds_nothing(builds: tuple[Path, Path]) -> None:
    changes = only(builds[0], "*.changes")
    found = run("lintian", "--allow-root", "--pedantic", "--info", "--display-info", changes)
    assert found == ""


def test_each_lintian_override_is_needed(builds: tuple[Path, Path]) -> None:
    changes = only(builds[0], "*.changes")
    shown = run("lintian", "--allow-root", "--pedantic", "--show-overrides", "-I", changes)
    assert "unused-override" not in shown


def test_rpmlint_finds_nothing(builds: tuple[Path, Path]) -> None:
    config = ROOT / "packaging/rpm/rpmlint.toml"
    spec = ROOT / "packaging/rpm/castoff.spec"
    found = run("rpmlint", "-c", config, only(builds[0], "*.rpm"), spec)
    assert "0 errors, 0 warnings" in found


def test_the_package_is_small(builds: tuple[Path, Path]) -> None:
    assert only(builds[0], "*.deb").stat().st_size <= DEB_MAX


def test_deb_and_rpm_hold_the_same_program(builds: tuple[Path, Path], tmp_path: Path) -> None:
    deb = tmp_path / "deb"
    run("dpkg-deb", "-x", only(builds[0], "*.deb"), deb)
    rpm = tmp_path / "rpm"
    rpm.mkdir()
    archive = subprocess.run(
        ["rpm2cpio", only(builds[0], "*.rpm")], check=True, capture_output=True
    ).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], cwd=rpm, input=archive, check=True)
    for tree in ("usr/share/castoff", "usr/bin", "etc/castoff"):
        run("diff", "--recursive", deb / tree, rpm / tree)

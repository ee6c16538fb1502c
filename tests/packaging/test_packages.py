"""The packages themselves: built twice, checked by the distributions' own tools, taken apart.

They need tools that no other test needs and take a minute: `make packages-test`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "rpmbuild", "rpmlint")
OPTIONAL = ("castoff-controlplane", "castoff-outputs", "castoff-report")
DEB_MAX = 768 * 1024
"""Bytes of the Debian package castoff."""
INSTALLED_MAX = 2912 * 1024
"""Bytes of its files. The modules that ``castoff run`` imports by default have 2.0 MiB of them."""

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


def both(package: str) -> tuple[str, str]:
    """Patterns of a package's deb and rpm."""
    return f"{package}_*.deb", f"{package}-[0-9]*.rpm"


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_two_builds_are_identical(builds: tuple[Path, Path], kind: str) -> None:
    first, second = (
        {path.name: path.read_bytes() for path in directory.glob(f"*.{kind}")}
        for directory in builds
    )
    assert len(first) == 1 + len(OPTIONAL)
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
    found = run("rpmlint", "-c", config, *sorted(builds[0].glob("*.rpm")), spec)
    assert "0 errors, 0 warnings" in found


def unpacked(package: Path, target: Path) -> Path:
    """Unpack a deb or an rpm."""
    target.mkdir()
    if package.suffix == ".deb":
        run("dpkg-deb", "-x", package, target)
    else:
        archive = subprocess.run(["rpm2cpio", package], check=True, capture_output=True).stdout
        subprocess.run(["cpio", "-idm", "--quiet"], cwd=target, input=archive, check=True)
    return target


def files_of(tree: Path) -> dict[str, Path]:
    """Return files by their paths from the root."""
    return {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}


def test_the_package_of_a_node_is_small(builds: tuple[Path, Path], tmp_path: Path) -> None:
    package = only(builds[0], "castoff_*.deb")
    assert package.stat().st_size <= DEB_MAX
    found = files_of(unpacked(package, tmp_path / "deb"))
    assert sum(path.stat().st_size for path in found.values()) <= INSTALLED_MAX


@pytest.mark.parametrize("package", ["castoff", *OPTIONAL])
def test_deb_and_rpm_hold_the_same_program(
    builds: tuple[Path, Path], tmp_path: Path, package: str
) -> None:
    deb, rpm = (
        unpacked(only(builds[0], pattern), tmp_path / pattern[-3:]) for pattern in both(package)
    )
    trees = ("usr/share/castoff", *(("usr/bin", "etc/castoff") if package == "castoff" else ()))
    for tree in trees:
        run("diff", "--recursive", deb / tree, rpm / tree)


def test_no_file_is_in_two_packages(builds: tuple[Path, Path], tmp_path: Path) -> None:
    for number, kind in enumerate(("deb", "rpm")):
        (tmp_path / kind).mkdir()
        found: list[str] = []
        for package in ("castoff", *OPTIONAL):
            pattern = both(package)[number]
            found += files_of(unpacked(only(builds[0], pattern), tmp_path / kind / package))
        assert len(found) == len(set(found))


@pytest.fixture(scope="module")
def releases(
    builds: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two releases without the image; ``builds`` checks that the tools are there."""
    assert builds
    made = tmp_path_factory.mktemp("release-1"), tmp_path_factory.mktemp("release-2")
    for directory in made:
        run(ROOT / "packaging/release.sh", directory)
    return made


def test_a_release_is_the_same_twice(releases: tuple[Path, Path]) -> None:
    first, second = ((directory / "SHA256SUMS").read_text() for directory in releases)
    assert first == second
    # Packages of both kinds, the chart, the bill of materials.
    assert len(first.splitlines()) == 2 * (1 + len(OPTIONAL)) + 2
    run("sh", "-c", f"cd {releases[0]} && sha256sum --check SHA256SUMS")


def test_the_charts_archive_is_a_chart(releases: tuple[Path, Path]) -> None:
    helm = ROOT / ".venv/kubernetes/helm"
    assert "kind: DaemonSet" in run(helm, "template", "castoff", only(releases[0], "*.tgz"))


def test_the_bill_of_materials_is_valid_and_names_each_dependency(
    releases: tuple[Path, Path],
) -> None:
    text = only(releases[0], "*.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    components = {each["name"]: each for each in json.loads(text)["components"]}
    assert components["python3-bpfcc"]["scope"] == "required"
    assert components["python3-confluent-kafka"]["scope"] == "optional"
    assert components["python3-jinja2"]["scope"] == "optional"
    assert "castoff-report" not in components
    assert "/usr/share/castoff/probes/record.h" in components
    assert "/usr/share/castoff/sensor/report/page.html" in components

"""The packages' scripts on a Debian 12 tree without a running systemd.

What needs a running service is in tests/vm/lifecycle.py. A tree takes a minute: run it with
``make packages-test``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.test_lifecycle import built

ROOT = Path(__file__).parents[2]
DEPENDENCIES = (
    *("libbpf1", "python3-audit", "python3-bpfcc", "python3-click", "python3-h11", "python3-h2"),
    *("python3-msgpack", "python3-psutil", "systemd", "util-linux", "rpm"),
)

pytestmark = pytest.mark.packages


class Tree:
    """A root file system that commands run in by chroot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str) -> str:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(
            ["chroot", self.path, *command],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def files(self) -> set[str]:
        """Every file that has to do with Castoff, but for the package manager's own records."""
        found = self.run(
            *("find", "/", "-xdev", "(", "-path", "/proc", "-o", "-path", "/packages"),
            *("-o", "-path", "/var/lib/dpkg", ")", "-prune", "-o", "-iname", "*castoff*", "-print"),
        )
        return set(found.splitlines())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with what the packages depend on, and two versions of both packages in /packages.

    CASTOFF_CHROOT names one that an earlier run made, to save the minutes that it takes.
    """
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap; run: make packages-test")
    directory = tmp_path_factory.mktemp("chroot")
    tree = directory / "base"
    if (kept := os.environ.get("CASTOFF_CHROOT")) is not None:
        return Path(kept)
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root"),
            *("--dpkgopt=path-exclude=/usr/share/doc/*", f"--include={','.join(DEPENDENCIES)}"),
            *("bookworm", tree),
        ],
        check=True,
    )
    (tree / "packages").mkdir()
    for kind in ("deb", "rpm"):
        (directory / kind).mkdir()
        for name, package in built(kind, directory / kind).items():
            shutil.copy(package, tree / "packages" / name)
    return tree


@pytest.fixture
def tree(base: Path, tmp_path: Path) -> Iterator[Tree]:
    """A copy for one test."""
    target = tmp_path / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", base, target], check=True)
    places = ("proc", "dev")
    for place in places:
        subprocess.run(["mount", "--bind", f"/{place}", target / place], check=True)
    try:
        yield Tree(target)
    finally:
        for place in places:
            subprocess.run(["umount", target / place], check=True)
    shutil.rmtree(target)


def test_a_deb_is_installed_upgraded_downgraded_and_purged(tree: Tree) -> None:
    before = tree.files()
    tree.run("dpkg", "--install", "/packages/old.deb")
    assert "0.0.8" in tree.run("castoff", "--version")
    assert tree.run("castoff", "run", "--check-config")
    with (tree.path / "etc/castoff/castoff.toml").open("a") as config:
        config.write('\n[agent]\nlog_level = "debug"\n')
    tree.run("dpkg", "--install", "/packages/new.deb")
    assert "0.0.9" in tree.run("castoff", "--version")
    assert "debug" in (tree.path / "etc/castoff/castoff.toml").read_text()
    tree.run("dpkg", "--install", "/packages/old.deb")
    assert "0.0.8" in tree.run("castoff", "--version")
    tree.run("dpkg", "--remove", "castoff")
    # Which units are enabled is configuration, and kept by deb-systemd-helper until the purge.
    kept = ("/etc/castoff", "/etc/systemd/system/", "/var/lib/systemd/deb-systemd-helper-enabled/")
    assert [path for path in tree.files() - before if not path.startswith(kept)] == []
    assert (tree.path / "etc/castoff/castoff.toml").exists()
    tree.run("dpkg", "--purge", "castoff")
    assert tree.files() - before == set()


OPTIONAL = ("outputs", "report", "controlplane")


def own_test(tree: Tree, name: str) -> str:
    """Run one of the tests that autopkgtest runs."""
    shutil.copytree(ROOT / "packaging/debian/tests", tree.path / "tmp/tests", dirs_exist_ok=True)
    return tree.run("sh", f"/tmp/tests/{name}")


def test_the_packages_own_tests_pass(tree: Tree) -> None:
    tree.run("dpkg", "--install", "/packages/new.deb")
    assert "all modules import" in own_test(tree, "command")
    tree.run("dpkg", "--install", *(f"/packages/new-{name}.deb" for name in OPTIONAL))
    assert "all modules import" in own_test(tree, "optional")


def program(tree: Tree) -> set[str]:
    """Files and byte code of the private directory."""
    root = tree.path / "usr/share/castoff"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_optional_packages_come_and_go_with_their_files(tree: Tree, kind: str) -> None:
    install, erase = {
        "deb": (("dpkg", "--install"), ("dpkg", "--purge")),
        "rpm": (
            ("rpm", "--upgrade", "--nodeps", "--oldpackage", "--replacepkgs"),
            ("rpm", "--erase"),
        ),
    }[kind]
    before = tree.files()
    tree.run(*install, f"/packages/old.{kind}")
    node = program(tree)
    all_of = {
        name: [f"/packages/{name}{part}.{kind}" for part in ("", *(f"-{one}" for one in OPTIONAL))]
        for name in ("old", "new")
    }
    tree.run(*install, *all_of["old"])
    assert "sensor/report/page.html" in program(tree)
    tree.run(*install, *all_of["new"])
    assert "0.0.9" in tree.run("castoff", "--version")
    tree.run("castoff", "verify", "--help")
    tree.run(*install, *all_of["old"])
    tree.run(*erase, *(f"castoff-{name}" for name in OPTIONAL))
    assert program(tree) == node
    tree.run(*erase, "castoff")
    assert tree.files() - before == set()


def test_an_optional_package_of_another_version_is_refused(tree: Tree) -> None:
    tree.run("dpkg", "--install", "/packages/old.deb")
    done = subprocess.run(
        ["chroot", tree.path, "dpkg", "--install", "/packages/new-report.deb"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "castoff-report depends on castoff (= 0.0.9)" in done.stderr


def test_a_missing_dependency_stops_the_installation_with_its_name(tree: Tree) -> None:
    tree.run("dpkg", "--force-depends", "--remove", "python3-bpfcc")
    done = subprocess.run(
        ["chroot", tree.path, "dpkg", "--install", "/packages/new.deb"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert re.search(r"castoff depends on python3-bpfcc", done.stderr)


def test_a_half_installed_version_is_mended_by_the_next(tree: Tree) -> None:
    tree.run("dpkg", "--unpack", "/packages/old.deb")
    tree.run("dpkg", "--install", "/packages/new.deb")
    assert "0.0.9" in tree.run("castoff", "--version")
    assert tree.run("dpkg", "--audit") == ""


def test_an_rpm_is_installed_upgraded_and_erased(tree: Tree) -> None:
    before = tree.files()
    install = ("rpm", "--upgrade", "--nodeps", "--oldpackage")
    tree.run(*install, "/packages/old.rpm")
    assert "0.0.8" in tree.run("castoff", "--version")
    assert tree.run("getent", "passwd", "castoff")
    assert list((tree.path / "usr/share/castoff/sensor").rglob("*.pyc"))
    tree.run(*install, "/packages/new.rpm")
    assert "0.0.9" in tree.run("castoff", "--version")
    tree.run(*install, "/packages/old.rpm")
    assert "0.0.8" in tree.run("castoff", "--version")
    tree.run("rpm", "--erase", "castoff")
    assert tree.files() - before == set()

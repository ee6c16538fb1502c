"""Where engines keep their containers, by their processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sensor.identity import discovery
from sensor.identity.discovery import (
    PROCESSES_OF_USER,
    ROOTS_MAX,
    Roots,
    root_of_bundle,
    running_roots,
    supervisor_uid,
)
from sensor.model.process import ProcessKey
from tests.identity.sample_node import own_key

TASKS = "/run/containerd/io.containerd.runtime.v2.task"
STORAGE = "/var/lib/containers/storage"
BUNDLES = {
    "shim-v2": (f"{TASKS}/moby/4f2d", Roots(tasks=(TASKS,))),
    "shim-v1": (
        "/run/containerd/io.containerd.runtime.v1.linux/k8s.io/4f2d",
        Roots(tasks=("/run/containerd/io.containerd.runtime.v1.linux",)),
    ),
    "moved-shim": (
        "/srv/state/io.containerd.runtime.v2.task/default/web",
        Roots(tasks=("/srv/state/io.containerd.runtime.v2.task",)),
    ),
    "podman": (f"{STORAGE}/overlay-containers/4f2d/userdata", Roots(storage=(STORAGE,))),
    "podman-vfs": (f"{STORAGE}/vfs-containers/4f2d/userdata", Roots(storage=(STORAGE,))),
    "podman-of-a-user": (
        "/home/ann/.local/share/containers/storage/btrfs-containers/4f2d/userdata",
        Roots(storage=("/home/ann/.local/share/containers/storage",)),
    ),
    "too-shallow": (f"{TASKS}/moby", Roots()),
    "too-deep": (f"{TASKS}/moby/4f2d/rootfs", Roots()),
    "not-userdata": (f"{STORAGE}/overlay-containers/4f2d", Roots()),
    "unknown-driver": (f"{STORAGE}/frob-containers/4f2d/userdata", Roots()),
    "relative": ("overlay-containers/4f2d/userdata", Roots()),
    "root": ("/", Roots()),
    "empty": ("", Roots()),
    "endless": ("/" + "x" * 4000 + "/io.containerd.runtime.v2.task/a/b", Roots()),
}


@pytest.mark.parametrize(("path", "roots"), BUNDLES.values(), ids=BUNDLES)
def test_a_bundles_place_shows_the_others(path: str, roots: Roots) -> None:
    assert root_of_bundle(path) == roots


class Proc:
    """A procfs of our own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pid = 100
        self.add("self", "python3")

    def add(
        self,
        name: str | None,
        comm: str,
        *argv: str | bytes,
        cwd: str | None = None,
        namespace: str = "mnt:[1]",
        uid: int = 0,
    ) -> Path:
        self._pid += 1
        process = self.path / (name or str(self._pid))
        (process / "ns").mkdir(parents=True)
        (process / "ns/mnt").symlink_to(namespace)
        (process / "comm").write_text(f"{comm}\n")
        (process / "status").write_text(f"Name:\t{comm}\nUid:\t{uid}\t0\t0\t0\n")
        words = (word if isinstance(word, bytes) else word.encode() for word in argv)
        (process / "cmdline").write_bytes(b"".join(word + b"\0" for word in words))
        if cwd is not None:
            (process / "cwd").symlink_to(cwd)
        return process

    def roots(self, uid: int = 0) -> Roots:
        return running_roots(self.path).get(uid, Roots())


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    (tmp_path / "proc").mkdir()
    return Proc(tmp_path / "proc")


def test_a_node_without_engines_has_no_roots(proc: Proc) -> None:
    proc.add(None, "bash", "bash", cwd=f"{TASKS}/moby/4f2d")
    proc.add(None, "runc", "runc", "--data-root", "/x", cwd=f"{TASKS}/moby/4f2d")
    proc.add("irq", "dockerd", "dockerd", "--data-root", "/x")
    assert proc.roots() == Roots()


def test_a_shim_sits_in_its_bundle(proc: Proc) -> None:
    proc.add(None, "containerd-shim", "containerd-shim-runc-v2", cwd=f"{TASKS}/moby/4f2d")
    proc.add(None, "containerd-shim", "containerd-shim-runc-v2", cwd=f"{TASKS}/k8s.io/9a7b")
    assert proc.roots() == Roots(tasks=(TASKS,))


@pytest.mark.parametrize("option", ["-b", "--bundle"])
def test_a_monitor_names_its_bundle(proc: Proc, option: str) -> None:
    bundle = f"{STORAGE}/overlay-containers/4f2d/userdata"
    proc.add(None, "conmon", "conmon", "-c", "4f2d", option, bundle, "-r", "runc", cwd="/")
    assert proc.roots() == Roots(storage=(STORAGE,))


DATA_ROOTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "option": (("--data-root", "/srv/docker"), ("/srv/docker",)),
    "joined": (("--data-root=/srv/docker",), ("/srv/docker",)),
    "old-option": (("-g", "/srv/docker"), ("/srv/docker",)),
    "older-option": (("--graph=/srv/docker",), ("/srv/docker",)),
    "relative": (("--data-root", "docker"), ()),
    "cut-short": (("--data-root",), ()),
    "none": (("-H", "fd://"), ()),
}


@pytest.mark.parametrize(("options", "docker"), DATA_ROOTS.values(), ids=DATA_ROOTS)
def test_dockerd_names_its_data_root(
    proc: Proc, options: tuple[str, ...], docker: tuple[str, ...]
) -> None:
    proc.add(None, "dockerd", "dockerd", *options)
    assert proc.roots() == Roots(docker=docker)


CONFIGS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "set": (json.dumps({"data-root": "/srv/docker"}), ("/srv/docker",)),
    "not-set": (json.dumps({"debug": True}), ()),
    "relative": (json.dumps({"data-root": "srv"}), ()),
    "not-text": (json.dumps({"data-root": 7}), ()),
    "a-list": ("[]", ()),
    "not-json": ("{", ()),
    "endless-nesting": ("[" * 200_000, ()),
    "absent": (None, ()),
}


@pytest.mark.parametrize(("text", "docker"), CONFIGS.values(), ids=CONFIGS)
def test_dockerds_file_names_it_otherwise(
    proc: Proc, tmp_path: Path, text: str | None, docker: tuple[str, ...]
) -> None:
    config = tmp_path / "daemon.json"
    if text is not None:
        config.write_text(text)
    proc.add(None, "dockerd", "dockerd", "--config-file", str(config))
    assert proc.roots() == Roots(docker=docker)


def test_an_engine_in_a_mount_namespace_of_its_own_is_not_believed(proc: Proc) -> None:
    """Its paths are not the host's."""
    proc.add(None, "dockerd", "dockerd", "--data-root", "/srv/docker", namespace="mnt:[2]")
    proc.add(None, "containerd-shim", "x", cwd=f"{TASKS}/moby/4f2d", namespace="mnt:[2]")
    assert proc.roots() == Roots()


def test_a_process_that_goes_meanwhile_is_passed_over(proc: Proc) -> None:
    gone = proc.add(None, "containerd-shim", "x", cwd=f"{TASKS}/moby/4f2d")
    (gone / "cwd").unlink()
    gone = proc.add(None, "dockerd")
    (gone / "cmdline").unlink()
    gone = proc.add(None, "dockerd", "dockerd", "--data-root=/srv/a")
    (gone / "comm").unlink()
    proc.add(None, "dockerd", "dockerd", "--data-root=/srv/b")
    assert proc.roots() == Roots(docker=("/srv/b",))


def test_bytes_that_are_not_text_are_kept(proc: Proc) -> None:
    proc.add(None, "dockerd", "dockerd", b"--data-root=/srv/\xff")
    assert proc.roots() == Roots(docker=("/srv/\udcff",))


def test_so_many_roots_are_taken_and_no_more(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(ROOTS_MAX + 5):
        proc.add(None, "dockerd", "dockerd", f"--data-root=/srv/{number}")
    assert len(proc.roots().docker) == ROOTS_MAX
    monkeypatch.setattr(discovery, "PROCESSES_MAX", 10)
    assert len(proc.roots().docker) == 10


def test_this_nodes_processes_can_be_looked_at() -> None:
    assert all(isinstance(roots, Roots) for roots in running_roots().values())


def test_what_a_users_process_names_is_that_users_alone(proc: Proc) -> None:
    """Also of a program with the setuid bit, which the user called by an engine's name."""
    proc.add(None, "dockerd", "dockerd", "--data-root", "/home/mallory/e", uid=1001)
    proc.add(None, "containerd-shim", "x", cwd=f"{TASKS}/moby/4f2d", uid=1001)
    proc.add(None, "dockerd", "dockerd", "--data-root", "/srv/docker")
    assert proc.roots() == Roots(docker=("/srv/docker",))
    assert proc.roots(1001) == Roots(docker=("/home/mallory/e",), tasks=(TASKS,))


def test_a_configuration_that_others_can_write_is_not_read(proc: Proc, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"data-root": "/srv/docker"}))
    config.chmod(0o666)
    proc.add(None, "dockerd", "dockerd", "--config-file", str(config))
    assert proc.roots() == Roots()


def test_a_fifo_for_a_configuration_blocks_nothing(proc: Proc, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "daemon.json")
    proc.add(None, "dockerd", "dockerd", "--config-file", str(tmp_path / "daemon.json"))
    assert proc.roots() == Roots()


def test_so_many_processes_of_a_user_are_looked_at_and_no_more(proc: Proc) -> None:
    for number in range(PROCESSES_OF_USER + 3):
        proc.add(None, "conmon", "conmon", "-b", f"/x{number}/vfs-containers/c/userdata", uid=1001)
    proc.add(None, "dockerd", "dockerd", "--data-root", "/srv/docker")
    assert len(proc.roots(1001).storage) == ROOTS_MAX
    assert proc.roots() == Roots(docker=("/srv/docker",))


def test_the_user_of_an_inits_parent_speaks_for_it() -> None:
    assert supervisor_uid(own_key()) == os.getuid()
    assert supervisor_uid(ProcessKey(2**22 + 1, 0)) is None

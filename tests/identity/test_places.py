"""Bundles found by the container's id alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.identity.places import MAX_ID, find_bundle, is_safe_id
from sensor.identity.reading import RootReader
from sensor.identity.trust import owners_of
from sensor.model.vocabulary import Engine
from tests.identity.sample_node import ID, Node

USER = 1000


def give(path: Path, uid: int) -> None:
    """Have a user own a directory and all below it."""
    for each in (path, *path.rglob("*")):
        os.chown(each, uid, uid)


@pytest.mark.parametrize(
    "directory",
    [
        f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}",
        f"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}",
        f"/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{ID}",
        f"/run/user/1000/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{ID}",
        f"/var/lib/containers/storage/overlay-containers/{ID}/userdata",
        f"/var/lib/containers/storage/vfs-containers/{ID}/userdata",
        f"/run/containers/storage/overlay-containers/{ID}/userdata",
        f"/home/me/.local/share/containers/storage/overlay-containers/{ID}/userdata",
    ],
)
def test_a_bundle_is_found_in_each_place_where_engines_keep_them(
    node: Node, reading: RootReader, directory: str
) -> None:
    node.write(f"{directory}/config.json", {})
    if directory.startswith("/home/"):
        give(node.root / "home/me", USER)
        reading.owners = owners_of(USER)
    assert find_bundle(ID, None, reading, node.settings, USER) == directory


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_another_users_places_are_passed_over(node: Node, reading: RootReader) -> None:
    below = f".local/share/containers/storage/overlay-containers/{ID}/userdata"
    node.write(f"/home/mallory/{below}/config.json", {})
    give(node.root / "home/mallory", 1001)
    assert find_bundle(ID, None, reading, node.settings, USER) is None
    assert find_bundle(ID, None, reading, node.settings) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_place_that_others_can_write_hides_no_other(node: Node, reading: RootReader) -> None:
    first, second = node.settings.task_roots[:2]
    for root in (first, second):
        node.write(f"{root}/moby/{ID}/config.json", {})
    (node.root / first[1:] / "moby").chmod(0o777)
    assert find_bundle(ID, None, reading, node.settings) == f"{second}/moby/{ID}"
    assert reading.problems == ["bundle:untrusted"]


def test_a_container_without_a_bundle_is_not_a_problem(node: Node, reading: RootReader) -> None:
    assert find_bundle(ID, None, reading, node.settings) is None
    assert reading.problems == []


def test_an_unreadable_bundle_is_found_all_the_same(node: Node, reading: RootReader) -> None:
    directory = f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}"
    (node.root / directory[1:]).mkdir(parents=True)
    os.mkfifo(node.root / directory[1:] / "config.json")
    assert find_bundle(ID, None, reading, node.settings) == directory


def test_podmans_are_not_looked_for_at_containerd(node: Node, reading: RootReader) -> None:
    node.write(f"/run/containerd/io.containerd.runtime.v2.task/x/{ID}/config.json", {})
    assert find_bundle(ID, Engine.PODMAN, reading, node.settings) is None


@pytest.mark.parametrize(
    ("container", "safe"),
    [
        (ID, True),
        ("test_container", True),
        ("a..b", True),
        ("...", True),
        ("", False),
        (".", False),
        ("..", False),
        ("a/b", False),
        ("../x", False),
        ("a\0b", False),
        ("a" * MAX_ID, True),
        ("a" * (MAX_ID + 1), False),
    ],
    ids=lambda value: str(value)[:12],
)
def test_ids_that_may_become_a_path(container: str, safe: bool) -> None:
    assert is_safe_id(container) is safe

"""Bundles found by the container's id alone."""

from __future__ import annotations

import os

import pytest

from sensor.identity.places import MAX_ID, find_bundle, is_safe_id
from sensor.identity.reading import Reading
from sensor.model.vocabulary import Engine
from tests.identity.sample_node import ID, Node


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
def test_known_places(node: Node, reading: Reading, directory: str) -> None:
    node.write(f"{directory}/config.json", {})
    assert find_bundle(ID, None, reading, node.settings) == directory


def test_nowhere(node: Node, reading: Reading) -> None:
    assert find_bundle(ID, None, reading, node.settings) is None
    assert reading.problems == []


def test_an_unreadable_bundle_is_found_all_the_same(node: Node, reading: Reading) -> None:
    directory = f"/run/containerd/io.containerd.runtime.v2.task/moby/{ID}"
    (node.root / directory[1:]).mkdir(parents=True)
    os.mkfifo(node.root / directory[1:] / "config.json")
    assert find_bundle(ID, None, reading, node.settings) == directory


def test_podmans_are_not_looked_for_at_containerd(node: Node, reading: Reading) -> None:
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
def test_ids_that_may_become_a_path(container: str, safe: bool) -> None:  # noqa: FBT001
    assert is_safe_id(container) is safe

"""Directories that count: only root or the container's user can change them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.identity import trust
from sensor.identity.describer import Describer, owner_of
from sensor.identity.discovery import Roots
from sensor.identity.files import Failure
from sensor.identity.trust import TrustedDirectories, owners_of
from tests.identity.sample_node import ID, Node, oci_config, open_descriptors, request_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
MALLORY = 1001


def opened(node: Node, path: str, uid: int | None = None, *, host: bool = False) -> int | Failure:
    """Open a directory of the node and close it again; return 0 or the failure."""
    root = os.open(node.root, os.O_PATH | os.O_DIRECTORY)
    try:
        found = TrustedDirectories().open(root, path, owners_of(uid), host=host)
        if not isinstance(found, Failure):
            os.close(found)
            found = 0
        return found
    finally:
        os.close(root)


def made(node: Node, path: str) -> Path:
    directory = node.root / path[1:]
    directory.mkdir(parents=True)
    return directory


def test_a_directory_of_root_counts(node: Node) -> None:
    made(node, "/a/b/c")
    assert opened(node, "/a/b/c") == 0
    assert opened(node, "/") == 0
    assert opened(node, "/a/./b/../b/c") == 0
    assert opened(node, "/a/x") is Failure.MISSING


@needs_root
@pytest.mark.parametrize("component", ["a", "a/b", "a/b/c"])
def test_another_users_component_does_not(node: Node, component: str) -> None:
    made(node, "/a/b/c")
    os.chown(node.root / component, MALLORY, MALLORY)
    assert opened(node, "/a/b/c") is Failure.UNTRUSTED
    assert opened(node, "/a/b/c", 1002) is Failure.UNTRUSTED
    assert opened(node, "/a/b/c", MALLORY) == 0


@needs_root
@pytest.mark.parametrize("component", ["a", "a/b", "a/b/c"])
@pytest.mark.parametrize("mode", [0o777, 0o757, 0o772])
def test_a_component_that_others_can_write_does_not(node: Node, component: str, mode: int) -> None:
    made(node, "/a/b/c")
    os.chown(node.root / component, 0, 100)
    (node.root / component).chmod(mode)
    assert opened(node, "/a/b/c") is Failure.UNTRUSTED


@needs_root
def test_roots_group_and_the_sticky_bit_are_allowed(node: Node) -> None:
    made(node, "/a/b/c")
    os.chown(node.root / "a", 0, 0)
    (node.root / "a").chmod(0o775)
    (node.root / "a/b").chmod(0o1777)
    assert opened(node, "/a/b/c") == 0
    os.chown(node.root / "a/b/c", MALLORY, MALLORY)
    assert opened(node, "/a/b/c") is Failure.UNTRUSTED


@needs_root
def test_a_symlink_is_its_owners_word(node: Node) -> None:
    made(node, "/real/b")
    (node.root / "a").symlink_to("/real")
    (node.root / "r").symlink_to("real/../real")
    assert opened(node, "/a/b") == 0
    assert opened(node, "/r/b") == 0
    os.lchown(node.root / "a", MALLORY, MALLORY)
    assert opened(node, "/a/b") is Failure.UNTRUSTED


def test_links_in_a_circle_and_out_of_the_root_end(node: Node) -> None:
    (node.root / "a").symlink_to("b")
    (node.root / "b").symlink_to("a")
    (node.root / "up").symlink_to("../../../../..")
    assert opened(node, "/a") is Failure.SYMLINK
    assert opened(node, "/up/etc") is Failure.MISSING
    assert opened(node, "/x" * 300) is Failure.MISSING
    assert opened(node, "/a\0b") is Failure.UNSAFE


@needs_root
def test_the_directory_itself_is_looked_at_anew_each_time(node: Node) -> None:
    directory = made(node, "/a/b/c")
    root = os.open(node.root, os.O_PATH | os.O_DIRECTORY)
    trusted = TrustedDirectories()
    before = open_descriptors()
    try:
        for uid, expected in ((0, int), (MALLORY, Failure), (0, int)):
            os.chown(directory, uid, uid)
            found = trusted.open(root, "/a/b/c", owners_of(None), host=True)
            assert isinstance(found, expected)
            if not isinstance(found, Failure):
                os.close(found)
        assert open_descriptors() == before
    finally:
        os.close(root)


def test_what_is_remembered_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "REMEMBERED_MAX", 3)
    root = os.open(node.root, os.O_PATH | os.O_DIRECTORY)
    trusted = TrustedDirectories()
    for number in range(9):
        made(node, f"/{number}/x")
        found = trusted.open(root, f"/{number}/x", owners_of(None), host=True)
        assert not isinstance(found, Failure)
        os.close(found)
    assert len(trusted._known) == 3
    os.close(root)


# ---------------------------------------------------------------- the case


def forged(node: Node) -> str:
    """Write what mallory of the case writes, below a home; return the place of the bundles."""
    home = "/home/mallory/e"
    tasks = f"{home}/io.containerd.runtime.v2.task"
    mounts = [{"source": f"{home}/containers/{ID}/hostname", "destination": "/etc/hostname"}]
    node.write(f"{tasks}/moby/{ID}/config.json", oci_config(mounts=mounts))
    config = {"ID": ID, "Name": "/forged-name", "Config": {"Image": "forged/image:1"}}
    node.write(f"{home}/containers/{ID}/config.v2.json", config)
    node.write(f"{home}/containers/{ID}/hostconfig.json", {})
    for each in (node.root / "home/mallory", *(node.root / "home/mallory").rglob("*")):
        os.chown(each, MALLORY, MALLORY)
    return tasks


def true(node: Node) -> None:
    data = "/var/lib/docker"
    mounts = [{"source": f"{data}/containers/{ID}/hostname", "destination": "/etc/hostname"}]
    tasks = "/run/containerd/io.containerd.runtime.v2.task"
    node.write(f"{tasks}/moby/{ID}/config.json", oci_config(mounts=mounts))
    config = {"ID": ID, "Name": "/victim", "Config": {"Image": "bb"}}
    node.write(f"{data}/containers/{ID}/config.v2.json", config)
    node.write(f"{data}/containers/{ID}/hostconfig.json", {})


@needs_root
@pytest.mark.parametrize("taught_by", [0, MALLORY])
def test_a_strangers_directory_says_nothing_of_roots_container(node: Node, taught_by: int) -> None:
    """Case sec-identity-from-a-strangers-directory, also if the place came from root's process."""
    true(node)
    tasks = forged(node)
    describer = Describer(node.settings)
    describer.learn(Roots(docker=("/home/mallory/e",), tasks=(tasks,)), taught_by)
    found = describer.describe(request_for())
    assert found.name == "victim"
    assert found.image is not None
    assert found.image.name == "bb"


@needs_root
def test_a_bundle_that_a_stranger_names_for_roots_container_is_not_read(node: Node) -> None:
    tasks = forged(node)
    describer = Describer(node.settings)
    found = describer.describe(request_for(f"{tasks}/moby/{ID}"))
    assert found.name is None
    assert found.image is None
    assert found.command is None
    assert "bundle:untrusted" in found.problems
    assert dict(describer.problem_counts())["bundle:untrusted"] == 1


@needs_root
def test_a_users_own_directory_speaks_of_the_users_own_container(node: Node) -> None:
    tasks = forged(node)
    request = request_for(f"{tasks}/moby/{ID}", uid=MALLORY)
    assert Describer(node.settings).describe(request).name == "forged-name"
    other = request_for(f"{tasks}/moby/{ID}", uid=1002)
    assert Describer(node.settings).describe(other).name is None


@needs_root
def test_a_user_gives_the_own_container_no_name_of_one_of_roots(node: Node) -> None:
    """Under its id, and with its bundle's path: root alone can open what describes it."""
    true(node)
    docker = node.root / "var/lib/docker"
    docker.chmod(0o710)
    assert Describer(node.settings).describe(request_for()).name is not None
    found = Describer(node.settings).describe(request_for(uid=MALLORY))
    assert (found.name, found.image) == (None, None)


@needs_root
@pytest.mark.parametrize(("mode", "reads"), [(0o755, True), (0o711, True), (0o750, False)])
def test_a_users_container_is_described_by_what_the_user_can_open(
    node: Node, mode: int, *, reads: bool
) -> None:
    made(node, "/a/b/c")
    (node.root / "a/b").chmod(mode)
    assert opened(node, "/a/b/c") == 0
    assert opened(node, "/a/b/c", MALLORY) == (0 if reads else Failure.UNTRUSTED)


@needs_root
def test_a_file_of_a_stranger_in_roots_directory_is_not_read(node: Node) -> None:
    true(node)
    config = node.root / "var/lib/docker/containers" / ID / "config.v2.json"
    for uid, mode in ((MALLORY, 0o600), (0, 0o666)):
        os.chown(config, uid, 0)
        config.chmod(mode)
        found = Describer(node.settings).describe(request_for())
        assert found.name is None
        assert "docker_config:untrusted" in found.problems


def test_the_owner_is_the_runtimes_user_or_that_of_the_slice() -> None:
    path = "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-x.scope"
    assert owner_of(request_for(cgroup=path)) == 0
    assert owner_of(request_for(cgroup=path, uid=None)) == 1000
    assert owner_of(request_for(cgroup="/system.slice/x", uid=None)) is None

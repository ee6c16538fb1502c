"""Who may use an engine's socket by its mode, wherever the engine listens."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sensor.access import engines, sockets
from sensor.access.node import Node
from sensor.model.access import Way
from tests.access.fake import node_of, put, users_of
from tests.access.fake_engine import listening, made_up, owns


def ways(root: Path, **files: str) -> list[Way]:
    node = node_of(root, **files)
    return list(sockets.ways(node, users_of(node)))


def bound(root: Path, path: str, mode: int, gid: int = 0) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    try:
        # A path of a test may be longer than a socket's address.
        os.chdir(place.parent)
        made.bind(place.name)
    finally:
        os.chdir(here)
        made.close()
    place.chmod(mode)
    os.chown(place, -1, gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_a_socket_is_open_to_its_group_and_to_all_by_its_mode(tmp_path: Path) -> None:
    bound(tmp_path, "run/docker.sock", 0o660, 990)
    bound(tmp_path, "run/containerd/containerd.sock", 0o666)
    bound(tmp_path, "run/crio/crio.sock", 0o660)
    bound(tmp_path, "run/podman/podman.sock", 0o660, 992)
    found = {(way.who, way.evidence.split(" ")[0]) for way in ways(tmp_path)}
    assert found == {
        ("alice", "/run/docker.sock"),
        ("bob", "/run/docker.sock"),
        ("every user", "/run/containerd/containerd.sock"),
        ("group empty, no members", "/run/podman/podman.sock"),
    }


def test_a_file_of_that_name_is_not_a_socket(tmp_path: Path) -> None:
    put(tmp_path, "run/docker.sock", "").chmod(0o666)
    assert ways(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="the node's own engine is root's")
@pytest.mark.parametrize("name", ["dockerd", "containerd"])
def test_a_socket_is_found_where_an_engine_listens_whatever_its_path(
    name: str, tmp_path: Path
) -> None:
    with listening(name, tmp_path / "hidden", mode=0o666) as process:
        node = Node()
        found = list(sockets.ways(node, users_of(node), engines.read(node)))
    (way,) = [one for one in found if str(process.path) in one.evidence]
    assert way.who == "every user"
    assert way.evidence == f"{process.path} ({name}, process {process.pid}, listens), mode 0666"
    assert way.grave


@pytest.mark.skipif(os.geteuid() != 0, reason="runs a process of another user")
def test_a_socket_of_a_users_engine_is_listed_without_a_look_at_its_path(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    place = Path("/tmp") / f"castoff-test-{os.getpid()}"
    with listening("podman", place, user=65_534) as process:
        place.unlink()
        node = Node()
        found = list(sockets.ways(node, users_of(node), engines.read(node)))
    (way,) = [one for one in found if str(process.path) in one.evidence]
    assert way.evidence.endswith("mode not read: the path is that user's")
    assert not way.grave


@pytest.mark.skipif(os.geteuid() != 0, reason="the node's own engine is root's")
def test_the_same_socket_by_two_paths_is_listed_once(tmp_path: Path) -> None:
    bound(tmp_path, "run/docker.sock", 0o666)
    made_up(
        tmp_path, 7, "dockerd",
        unix=f"{'0' * 16}: 00000002 00000000 00010000 0001 01 9 /var/run/docker.sock\n",
    )  # fmt: skip
    owns(tmp_path, 7, 9)
    (tmp_path / "var").mkdir()
    (tmp_path / "var/run").symlink_to(tmp_path / "run")
    node = node_of(tmp_path)
    found = list(sockets.ways(node, users_of(node), engines.read(node)))
    assert [way.evidence for way in found] == ["/run/docker.sock (docker), mode 0666"]


@pytest.mark.parametrize(("path", "count"), [("@docker", 1), ("/run/metrics.sock", 0)])
def test_an_abstract_socket_has_no_mode_and_one_for_metrics_is_no_way(
    path: str, count: int, tmp_path: Path
) -> None:
    line = f"{'0' * 16}: 00000002 00000000 00010000 0001 01 9 {path}\n"
    made_up(tmp_path, 7, "dockerd", unix=line)
    owns(tmp_path, 7, 9)
    node = node_of(tmp_path)
    found = list(sockets.ways(node, users_of(node), engines.read(node)))
    assert len(found) == count
    assert all("abstract: no mode" in way.evidence for way in found)

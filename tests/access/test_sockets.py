"""Who may use an engine's socket by its mode, and which engines listen on the network."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from sensor.access import sockets
from sensor.model.access import Way, WayKind
from tests.access.fake import node_of, put, users_of


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


def test_listeners_say_whether_they_ask_for_certificates(tmp_path: Path) -> None:
    daemon = {"hosts": ["unix:///run/docker.sock", "tcp://0.0.0.0:2376"], "tlsverify": True}
    put(tmp_path, "proc/77/cmdline", "/usr/bin/dockerd\0-H\0tcp://10.0.0.5:2375\0-H\0fd://\0")
    put(tmp_path, "proc/78/cmdline", "podman\0system\0service\0tcp:127.0.0.1:8888\0")
    put(tmp_path, "proc/79/cmdline", "vim\0-H\0tcp://1.2.3.4:1\0")
    found = ways(tmp_path, **{"etc/docker/daemon.json": json.dumps(daemon)})
    assert [(way.kind, way.who, way.evidence.split(",")[0]) for way in found] == [
        (WayKind.LISTENER, "holders of a client certificate", "tcp://0.0.0.0:2376"),
        (WayKind.LISTENER, "everyone who reaches the address", "tcp://10.0.0.5:2375"),
        (WayKind.LISTENER, "every process of this host", "tcp:127.0.0.1:8888"),
    ]


def test_a_daemon_file_that_is_not_json_is_noted(tmp_path: Path) -> None:
    node = node_of(tmp_path, **{"etc/docker/daemon.json": "{"})
    assert list(sockets.ways(node, users_of(node))) == []
    assert node.unread == ["/etc/docker/daemon.json: not JSON"]

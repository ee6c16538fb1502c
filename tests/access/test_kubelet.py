"""Who may read kubelet's credentials, and write where it takes pods from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.access import kubelet
from sensor.model.access import WayKind
from tests.access.fake import node_of, put, users_of


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_modes_and_owners_say_who(tmp_path: Path) -> None:
    node = node_of(tmp_path)
    put(tmp_path, "etc/kubernetes/admin.conf", "").chmod(0o644)
    put(tmp_path, "var/lib/kubelet/config.yaml", "kind: x\nstaticPodPath: /srv/pods\n")
    pods = tmp_path / "srv/pods"
    pods.mkdir(parents=True)
    pods.chmod(0o775)
    os.chown(pods, 1000, 991)
    found = {(way.kind, way.who) for way in kubelet.ways(node, users_of(node))}
    assert found == {
        (WayKind.KUBELET, "every user"),
        (WayKind.KUBELET, "root"),
        (WayKind.STATIC_PODS, "group ops"),
        (WayKind.STATIC_PODS, "alice"),
    }


def test_a_node_without_kubelet_has_none(tmp_path: Path) -> None:
    node = node_of(tmp_path)
    assert list(kubelet.ways(node, users_of(node))) == []

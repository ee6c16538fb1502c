"""What kubelet trusts on this node: its credentials, and the directories of static pods."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from sensor.model.access import Way, WayKind

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from sensor.access.accounts import Accounts
    from sensor.access.node import Node

CONFIGURATIONS = ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet/kubelet-config.json")
MANIFESTS = (
    "/etc/kubernetes/manifests",
    "/var/lib/rancher/k3s/agent/pod-manifests",
    "/var/lib/rancher/rke2/agent/pod-manifests",
)
CREDENTIALS = (
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/kubernetes/kubelet.conf",
    "/etc/kubernetes/controller-manager.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/rancher/rke2/rke2.yaml",
    "/var/lib/kubelet/kubeconfig",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
)

_STATIC = re.compile(r"^\s*\"?staticPodPath\"?\s*:\s*[\"']?([^\"'\s,]+)", re.MULTILINE)


def ways(node: Node, accounts: Accounts) -> Iterator[Way]:
    """Yield who may read kubelet's credentials or write where it takes pods from."""
    for path in CREDENTIALS:
        status = node.status(path)
        if status is not None:
            for who in _those(status, accounts, read=True):
                yield Way(WayKind.KUBELET, who, f"{path}, {_mode(status)}", grave=True)
    places = list(MANIFESTS)
    for path in CONFIGURATIONS:
        places += _STATIC.findall(node.text(path, follow=True) or "")
    for path in dict.fromkeys(places):
        status = node.status(path)
        if status is not None:
            for who in _those(status, accounts, read=False):
                yield Way(WayKind.STATIC_PODS, who, f"{path}, {_mode(status)}", grave=True)


def _mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"


def _those(status: os.stat_result, accounts: Accounts, *, read: bool) -> Iterator[str]:
    """Yield who may read or write a file by its mode: its owner always."""
    owner, group, others = (
        (stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH)
        if read
        else (stat.S_IWUSR, stat.S_IWGRP, stat.S_IWOTH)
    )
    mode = status.st_mode
    if mode & others:
        yield "every user"
    if mode & group and status.st_gid != 0:
        found = accounts.group(status.st_gid)
        yield f"group {found.name if found is not None else status.st_gid}"
    if mode & owner:
        yield accounts.names.get(status.st_uid, f"uid {status.st_uid}")

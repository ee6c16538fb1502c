"""The node's name in Kubernetes, and the namespaces of the host's first process."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sensor.correlate.node_name import node_name_in
from sensor.model.process import Namespaces

PROCESSES_MAX = 100_000
CMDLINE_MAX = 64 * 1024

_VARIABLE = "NODE_NAME"
"""Set from ``spec.nodeName`` by the manifests in packaging/kubernetes (downward API)."""

_KUBELETS = frozenset(
    {"kubelet", "kubelite", "k3s", "k3s-server", "k3s-agent", "rke2", "k0s", "microshift"}
)
_FILES = ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")
_LINK = re.compile(r"[a-z_]+:\[([0-9]{1,20})\]")


def node_name(configured: str | None = None, proc: Path = Path("/proc")) -> str | None:
    """Return the node's name: from the configuration, the environment, or kubelet's command line.

    Only a process of root in the host's pid namespace counts as the node's kubelet.
    """
    return configured or os.environ.get(_VARIABLE) or _of_kubelet(proc)


def host_namespaces(proc: Path = Path("/proc")) -> Namespaces | None:
    """Return the inode numbers of pid 1's namespaces, None where procfs shows none of them.

    Where those are hidden (ptrace access is needed), the agent's own stand in: it is on the host.
    """
    found = [_inode(proc / "1/ns" / name) or _inode(proc / "self/ns" / name) for name in _FILES]
    return Namespaces(*found) if any(one is not None for one in found) else None


def _inode(path: Path) -> int | None:
    try:
        match = _LINK.fullmatch(str(path.readlink()))
    except OSError:
        return None
    return int(match[1]) if match is not None else None


def _of_kubelet(proc: Path) -> str | None:
    try:
        pids = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    host = _inode(proc / "1/ns/pid")
    for process in pids[:PROCESSES_MAX]:
        try:
            comm = (process / "comm").read_text(encoding="utf-8", errors="replace").rstrip("\n")
            if comm not in _KUBELETS or process.stat().st_uid != 0:
                continue
            with (process / "cmdline").open("rb") as file:
                words = file.read(CMDLINE_MAX).decode("utf-8", "surrogateescape").split("\0")
        except OSError:
            continue
        if host is None or _inode(process / "ns/pid") == host:
            name = node_name_in(tuple(words))
            if name is not None:
                return name
    return None

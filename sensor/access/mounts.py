"""Containers that hold an engine's socket, kubelet's files or the host's root, by their mounts.

Read from ``/proc/PID/mountinfo`` (proc_pid_mountinfo(5)): each mount namespace once. Only root of
the host can read all of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.access.sockets import is_engine_socket
from sensor.model.access import Way, WayKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.access.node import Node

NAMESPACES_MAX = 4096

_ID = re.compile(r"[0-9a-f]{64}")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_KUBELET = ("/var/lib/kubelet/pki", "/etc/kubernetes", "/var/lib/kubelet/kubeconfig")
_BEFORE_ROOT, _AT, _OPTIONS, _LEAST = 3, 4, 5, 9


def ways(node: Node) -> Iterator[Way]:
    """Yield each container that can reach the host through what is mounted into it."""
    own = _namespace(node, "1")
    host = {device for device, root, at, _ in _mounts(node, "1") if at == "/" and root == "/"}
    seen = {own}
    for pid in node.names("/proc"):
        if not pid.isdecimal():
            continue
        namespace = _namespace(node, pid)
        if namespace is None or namespace in seen:
            continue
        container = _container(node, pid)
        if container is None:
            continue
        if len(seen) >= NAMESPACES_MAX:
            node.note("/proc", f"only {NAMESPACES_MAX} mount namespaces were read")
            return
        seen.add(namespace)
        found = sorted(set(_held(node, pid, host)))
        if found:
            yield Way(
                WayKind.CONTAINER,
                f"container {container[:12]}",
                "; ".join(found[:8]),
                grave=True,
                container=container,
            )


def _held(node: Node, pid: str, host: set[str]) -> Iterator[str]:
    for device, root, at, options in _mounts(node, pid):
        writable = "rw" in options.split(",")
        if is_engine_socket(root) or is_engine_socket(at):
            yield f"engine's socket at {at}"
        elif device in host and root == "/" and writable:
            yield f"host's root, writable, at {at}"
        elif any(root == path or root.startswith(path + "/") for path in _KUBELET):
            yield f"kubelet's files ({root}) at {at}"


def _mounts(node: Node, pid: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield device, root within it, mount point and options of each mount."""
    for line in (node.text(f"/proc/{pid}/mountinfo") or "").splitlines():
        parts = line.split(" ")
        if len(parts) >= _LEAST:
            yield (
                parts[2],
                _plain(parts[_BEFORE_ROOT]),
                _plain(parts[_AT]),
                parts[_OPTIONS],
            )


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def _namespace(node: Node, pid: str) -> str | None:
    try:
        return str(node.at(f"/proc/{pid}/ns/mnt").readlink())
    except FileNotFoundError:
        return None
    except OSError as error:
        node.note("/proc/PID/ns/mnt", error.strerror or str(error))
        return None


def _container(node: Node, pid: str) -> str | None:
    """Return the id of the container that a process is in, by its cgroup's path."""
    found = _ID.findall(node.text(f"/proc/{pid}/cgroup") or "")
    return found[-1] if found else None

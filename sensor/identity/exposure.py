"""Which bind mounts hand something of the host to a container.

Three questions, asked of the mount's source on the host: is it an engine's socket; is it one of
the directories that are sensitive themselves while engines and kubelet put harmless things below
them; or does it lie anywhere below a directory whose whole content is sensitive. What engines
themselves mount into every container (``/etc/hosts``, a pod's volumes, ``/dev/shm``) is not listed.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from sensor.identity.text import MAX_SOURCE, bounded
from sensor.model.container import Mount

if TYPE_CHECKING:
    from sensor.identity.oci import OciMount

MAX_MOUNTS = 64
"""Limit of the sensitive mounts that are reported of one container."""


class _Trees:
    """Directories with all that is below them."""

    __slots__ = ("_below", "_tops")

    def __init__(self, *tops: str) -> None:
        self._tops = frozenset(tops)
        self._below = tuple(f"{top}/" for top in tops)

    def hold(self, path: str) -> bool:
        return path.startswith(self._below) or path in self._tops


_SOCKETS = frozenset(
    {
        "docker.sock", "docker-cli.sock", "containerd.sock", "crio.sock", "podman.sock",
        "cri-dockerd.sock", "dockershim.sock", "buildkitd.sock", "kubelet.sock",
        "containerd-debug.sock", "system_bus_socket",
    }
)  # fmt: skip

_THEMSELVES = frozenset(
    {
        "/", "/bin", "/home", "/lib", "/lib64", "/mnt", "/opt", "/run", "/sbin", "/srv", "/usr",
        "/usr/bin", "/usr/lib", "/usr/local/bin", "/usr/sbin", "/var", "/var/lib", "/var/log",
        "/var/log/pods", "/var/run", "/run/user",
        "/var/lib/docker", "/var/lib/docker/containers", "/var/lib/docker/image",
        "/var/lib/docker/overlay2", "/var/lib/docker/volumes", "/var/lib/containerd",
        "/var/lib/containers", "/var/lib/containers/storage", "/var/lib/crio",
        "/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/rancher", "/var/lib/rancher/k3s",
        "/run/containerd", "/run/containers", "/run/crio", "/run/docker", "/run/podman",
        "/run/k3s", "/run/k3s/containerd", "/run/secrets",
    }
)  # fmt: skip

_TREES = _Trees(
    "/boot", "/dev", "/etc", "/lib/modules", "/proc", "/root", "/sys", "/usr/lib/modules",
    "/usr/src", "/opt/cni", "/run/systemd", "/var/lib/etcd", "/var/lib/kubelet/pki",
    "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/plugins_registry",
    "/var/lib/cloud", "/var/spool/cron", "/var/lib/rancher/k3s/server",
)  # fmt: skip

_HARMLESS = _Trees(
    "/dev/shm",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
    "/dev/pts", "/dev/hugepages", "/dev/net/tun", "/dev/dri", "/dev/fuse", "/dev/kvm",
    "/etc/ca-certificates", "/etc/hostname", "/etc/hosts", "/etc/localtime", "/etc/machine-id",
    "/etc/mime.types", "/etc/nsswitch.conf", "/etc/os-release", "/etc/pki", "/etc/resolv.conf",
    "/etc/ssl/certs", "/etc/timezone",
)  # fmt: skip

_SECRETS_AT_HOME = re.compile(
    r"/home/[^/]+(?:/\.(?:ssh|aws|kube|docker|gnupg|config|azure|git-credentials|netrc)(?:/.*)?)?"
)
_ENGINES_OWN = re.compile(r".*/containers/[0-9a-f]{64}/(?:hosts|hostname|resolv\.conf|mounts/.*)")
_WRITABLE_ONLY = _Trees("/sys")
"""Read-only they show little that the container's own copy does not."""


def sensitive_mounts(mounts: tuple[OciMount, ...]) -> tuple[Mount, ...]:
    """Return the sensitive ones, in the order in which the runtime mounts them."""
    found: list[Mount] = []
    for mount in mounts:
        if len(found) >= MAX_MOUNTS:
            break
        source = _bound_source(mount)
        if source is None:
            continue
        writable = _is_writable(mount.options)
        if is_sensitive(source, writable=writable):
            found.append(
                Mount(bounded(source, MAX_SOURCE), bounded(mount.destination, MAX_SOURCE), writable)
            )
    return tuple(found)


def is_sensitive(source: str, *, writable: bool) -> bool:
    """Return whether the host's file or directory at the path ``source`` is sensitive."""
    if source.rpartition("/")[2] in _SOCKETS:
        return True
    if source.startswith("/var/run/"):
        source = source[len("/var") :]
    if source in _THEMSELVES:
        return True
    if source.startswith("/home/"):
        return _SECRETS_AT_HOME.fullmatch(source) is not None
    if not _TREES.hold(source):
        return False
    if _HARMLESS.hold(source) or _ENGINES_OWN.fullmatch(source):
        return False
    return writable or not _WRITABLE_ONLY.hold(source)


def _bound_source(mount: OciMount) -> str | None:
    is_bind = mount.type == "bind" or "bind" in mount.options or "rbind" in mount.options
    if not is_bind or not mount.source.startswith("/"):
        return None
    normal = posixpath.normpath(mount.source)
    return normal[1:] if normal.startswith("//") else normal


def _is_writable(options: tuple[str, ...]) -> bool:
    writable = True
    for option in options:
        if option in ("ro", "rro"):
            writable = False
        elif option == "rw":
            writable = True
    return writable

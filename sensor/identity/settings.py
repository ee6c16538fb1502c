"""Where things lie on a node. Every path can be set, for odd nodes and for tests."""

from __future__ import annotations

from sensor.dataclass import dataclass
from sensor.identity.files import MAX_FILE_BYTES

MAX_STORE_BYTES = 8 << 20
"""Largest index of containers-storage that is read: 8 MiB, some five thousand containers."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Roots and limits of the identity worker. Paths are as the host names them."""

    proc: str = "/proc"
    """The procfs in whose pid namespace the requests' readers are numbered: the host's."""
    host_root: str = "/"
    """The host's root directory as this process sees it: in a pod ``/proc/1/root``."""
    host_mnt_ns: int | None = None
    """Inode of the host's mount namespace; None to ask
    ``<proc>/1/ns/mnt``, and ``<proc>/self/ns/mnt`` where that is hidden."""
    docker_roots: tuple[str, ...] = (
        "/var/lib/docker",
        "/var/snap/docker/common/var-lib-docker",
    )
    docker_config: str = "/etc/docker/daemon.json"
    task_roots: tuple[str, ...] = (
        "/run/containerd/io.containerd.runtime.v2.task",
        "/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
        "/var/run/docker/containerd/daemon/io.containerd.runtime.v2.task",
        "/run/k3s/containerd/io.containerd.runtime.v2.task",
        "/run/k0s/containerd/io.containerd.runtime.v2.task",
        "/run/snap.docker/containerd/daemon/io.containerd.runtime.v2.task",
        "/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
        "/run/containerd/io.containerd.runtime.v1.linux",
    )
    """Where containerd keeps bundles: ``<root>/<namespace>/<id>`` (runtime/v2/bundle.go)."""
    containerd_roots: tuple[str, ...] = (
        "/var/lib/containerd",
        "/var/lib/rancher/k3s/agent/containerd",
        "/var/lib/rancher/rke2/agent/containerd",
        "/var/lib/k0s/containerd",
        "/var/snap/microk8s/common/var/lib/containerd",
    )
    """Where containerd keeps what outlives a boot (``root`` of its config.toml)."""
    user_task_roots: tuple[str, ...] = (
        "docker/containerd/daemon/io.containerd.runtime.v2.task",
        "containerd/io.containerd.runtime.v2.task",
    )
    """The same of rootless engines, below ``<user_run>/<uid>``."""
    user_run: str = "/run/user"
    storage_roots: tuple[str, ...] = ("/var/lib/containers/storage", "/run/containers/storage")
    """Graph and run roots of containers-storage: Podman's bundles lie in the first, CRI-O's in
    the second."""
    homes: str = "/home"
    home_storage: str = ".local/share/containers/storage"
    """The graph root of rootless Podman, below a home (containers-storage.conf(5))."""
    pod_logs: str = "/var/log/pods"
    container_logs: str = "/var/log/containers"
    """kubelet's links to the log files of containers that it started."""
    max_file_bytes: int = MAX_FILE_BYTES
    max_store_bytes: int = MAX_STORE_BYTES

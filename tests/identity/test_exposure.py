"""Which mounts are shown as sensitive."""

from __future__ import annotations

import pytest

from sensor.identity.exposure import MAX_MOUNTS, is_sensitive, sensitive_mounts
from sensor.identity.oci import OciMount
from sensor.model.container import Mount

ID = "a1" * 32


@pytest.mark.parametrize(
    "source",
    ["/", "/etc", "/etc/shadow", "/etc/kubernetes/pki", "/proc", "/proc/1", "/sys", "/dev",
     "/dev/sda", "/var/run", "/run", "/var/lib/docker", "/var/lib/kubelet",
     "/var/lib/kubelet/pods", "/var/lib/containerd", "/var/lib/containers/storage", "/root",
     "/root/.ssh", "/home", "/home/me", "/home/me/.ssh/id_rsa", "/boot", "/lib/modules",
     "/var/log", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
     "/run/k3s/containerd/containerd.sock", "/run/user/1000/podman/podman.sock",
     "/run/crio/crio.sock", "/var/run/dbus/system_bus_socket", "/run/systemd/private",
     "/var/run/containerd", "/opt/cni/bin", "/var/spool/cron"],
)  # fmt: skip
def test_these_are_sensitive(source: str) -> None:
    assert is_sensitive(source, writable=True)


@pytest.mark.parametrize(
    "source",
    ["/srv/data", "/data", "/home/me/project", "/etc/localtime", "/etc/hosts",
     "/etc/resolv.conf", "/etc/ssl/certs/ca.pem", "/dev/shm", "/dev/null",
     f"/var/lib/docker/containers/{ID}/hosts", f"/var/lib/docker/containers/{ID}/hostname",
     f"/var/lib/docker/containers/{ID}/resolv.conf",
     f"/var/lib/docker/containers/{ID}/mounts/shm", "/var/lib/docker/volumes/db/_data",
     "/var/lib/kubelet/pods/eb05/volumes/kubernetes.io~empty-dir/x",
     "/var/lib/kubelet/pods/eb05/etc-hosts", "/run/containerd/io.containerd.grpc.v1.cri/sandboxes",
     "/etcetera", "/procs", "/rootless", "/var/log/app"],
)  # fmt: skip
def test_these_are_not(source: str) -> None:
    assert not is_sensitive(source, writable=True)


def test_sys_is_sensitive_only_if_writable() -> None:
    assert not is_sensitive("/sys/fs/cgroup", writable=False)
    assert is_sensitive("/sys/fs/cgroup", writable=True)
    assert is_sensitive("/proc", writable=False)


def mount(source: str, *options: str, kind: str | None = "bind") -> OciMount:
    return OciMount("/x", kind, source, options)


def test_only_bind_mounts_count() -> None:
    assert sensitive_mounts((mount("/etc", kind="proc"), mount("proc"), mount("tmpfs"))) == ()
    assert len(sensitive_mounts((mount("/etc", "rbind", kind="none"), mount("/etc")))) == 2


@pytest.mark.parametrize(
    ("options", "writable"),
    [
        ((), True),
        (("ro",), False),
        (("rbind", "rw"), True),
        (("ro", "rw"), True),
        (("rro",), False),
    ],
    ids=str,
)
def test_a_mount_is_writable_unless_an_option_says_read_only(
    options: tuple[str, ...],
    writable: bool,
) -> None:
    assert sensitive_mounts((mount("/etc", *options),)) == (Mount("/etc", "/x", writable),)


@pytest.mark.parametrize("source", ["/srv/../etc", "//etc", "/etc/", "/./etc"])
def test_the_source_is_normalised(source: str) -> None:
    assert [found.source for found in sensitive_mounts((mount(source),))] == ["/etc"]


def test_the_number_is_bounded() -> None:
    assert len(sensitive_mounts((mount("/etc"),) * 1000)) == MAX_MOUNTS

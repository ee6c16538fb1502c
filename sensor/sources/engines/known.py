"""What engines are called, where they listen, and what they speak there."""

from __future__ import annotations

from typing import Literal

from sensor.model.vocabulary import Engine

Api = Literal["docker", "grpc", "ttrpc", "libpod", "unknown"]
"""What is spoken on a socket. ``libpod`` is Podman's, which serves Docker's API, too."""

SERVICE_PROGRAMS = frozenset({"podman"})
"""Clients that serve an API when run as ``podman system service``; added to every scan."""

WELL_KNOWN: tuple[tuple[str, Engine | str, Api], ...] = (
    ("/run/docker.sock", Engine.DOCKER, "docker"),
    ("/run/podman/podman.sock", Engine.PODMAN, "libpod"),
    ("/run/containerd/containerd.sock", Engine.CONTAINERD, "grpc"),
    ("/run/containerd/containerd.sock.ttrpc", Engine.CONTAINERD, "ttrpc"),
    ("/run/docker/containerd/containerd.sock", Engine.CONTAINERD, "grpc"),
    ("/run/k3s/containerd/containerd.sock", Engine.CONTAINERD, "grpc"),
    ("/run/k0s/containerd.sock", Engine.CONTAINERD, "grpc"),
    ("/var/snap/microk8s/common/run/containerd.sock", Engine.CONTAINERD, "grpc"),
    ("/run/crio/crio.sock", Engine.CRIO, "grpc"),
    ("/run/cri-dockerd.sock", "cri-dockerd", "grpc"),
    ("/run/balena-engine.sock", "balena-engine-daemon", "docker"),
)
WELL_KNOWN_OF_USERS: tuple[tuple[str, Engine | str, Api], ...] = (
    ("docker.sock", Engine.DOCKER, "docker"),
    ("podman/podman.sock", Engine.PODMAN, "libpod"),
)
"""Below /run/user/UID (rootless engines)."""

PROGRAMS: dict[str, tuple[Engine | str, Api]] = {
    "dockerd": (Engine.DOCKER, "docker"),
    "containerd": (Engine.CONTAINERD, "grpc"),
    "docker-containerd": (Engine.CONTAINERD, "grpc"),
    "crio": (Engine.CRIO, "grpc"),
    "cri-dockerd": ("cri-dockerd", "grpc"),
    "podman": (Engine.PODMAN, "libpod"),
    "balenad": ("balenad", "docker"),
    "balena-engine-daemon": ("balena-engine-daemon", "docker"),
    "lxd": (Engine.LXC, "unknown"),
    "incusd": (Engine.LXC, "unknown"),
}

NO_API_NAMES = frozenset(
    {"containerd-debug.sock", "debug.sock", "kine.sock", "kubelet.sock", "metrics.sock"}
)
NO_API_DIRECTORIES = frozenset({"libnetwork"})
"""Sockets of engines that take no request for a container. runc's network hook connects to
dockerd's libnetwork socket in every start. dockerd gives its containerd a socket for debugging
beside the engine's own (moby, libcontainerd/supervisor)."""


MOSTLY_MISSING = frozenset({"/var/run/nscd/socket"})
"""Where programs of glibc look for a daemon that hardly any host runs (nscd/nscd-client.h), each of
them twice; only root can put anything there. Other paths that lead nowhere are asked for again."""


def engine_called(program: str) -> tuple[Engine | str, Api]:
    """Return an engine program's engine, or its own name, and what it speaks on its sockets."""
    return PROGRAMS.get(program, (program, "unknown"))


def is_api(path: str) -> bool:
    """Whether one can ask for a container on an engine's socket of that path."""
    *directories, name = path.split("/")
    return name not in NO_API_NAMES and NO_API_DIRECTORIES.isdisjoint(directories)

"""Which engine a container belongs to, and whether it is only a step of an image build.

What an engine decides outweighs what a user can: first the place of the bundle and the runtime's
root, then the containerd namespace, then annotations (a user can set those), and at last what the
core guessed from the cgroup. A path that says build decides nothing alone: the id must have the
form that the builder gives it, and the bundle must lie where the builder keeps it.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.podman import storage_of
from sensor.model.vocabulary import Engine

if TYPE_CHECKING:
    from sensor.identity.oci import Bundle
    from sensor.model.requests import DescribeRequest

_TASK = re.compile(r"/io\.containerd\.runtime\.v[12]\.[a-z]+/([^/]+)/[^/]+$")
_RUNTIME_ROOT = re.compile(r"/(?:containerd/[^/]+|docker/runtime-[^/]+)/([^/]+)/?$")
_BUILDKIT_BUNDLE = re.compile(r"/buildkit/(?:[^/]+/)*executor/[^/]+$")
_BUILDAH = re.compile(r"buildah-?buildah\d+|buildah\d+")
_BUILDAH_BUNDLE = re.compile(r"buildah\d+")
_BUILDKIT_ID = re.compile(r"[a-z0-9]{25}")
"""BuildKit's own form of an id (identity/identity.go ``NewID``). No engine gives one to others."""
_DOCKER_NAMESPACES = frozenset({"moby", "plugins.moby"})
_BUILD_NAMESPACES = re.compile(r"buildkit|.*_buildkit", re.DOTALL)
_MANAGERS = {"libpod": Engine.PODMAN, "cri-o": Engine.CRIO}
_RUN_STORAGE = "/run/containers/storage"


@dataclass(frozen=True, slots=True)
class Ownership:
    """``engine`` is None where it is unknown."""

    engine: Engine | None
    build_step: bool = False
    namespace: str | None = None
    """containerd's namespace, of Docker's containers as well."""


def ownership_of(
    request: DescribeRequest, bundle_path: str | None, bundle: Bundle | None
) -> Ownership:
    """Return the engine and the owner of a container. ``bundle_path`` is absolute."""
    path = bundle_path or ""
    name = posixpath.basename(path)
    if _BUILDAH.fullmatch(request.id) and _BUILDAH_BUNDLE.fullmatch(name):
        return Ownership(Engine.BUILDAH, build_step=True)
    is_step = _BUILDKIT_ID.fullmatch(request.id) is not None
    if is_step and name == request.id and _BUILDKIT_BUNDLE.search(path):
        return Ownership(Engine.DOCKER if "/docker/" in path else None, build_step=True)
    namespace = containerd_namespace(request, path)
    if namespace is not None:
        if namespace in _DOCKER_NAMESPACES:
            return Ownership(Engine.DOCKER, namespace=namespace)
        is_build = is_step and _BUILD_NAMESPACES.fullmatch(namespace) is not None
        return Ownership(Engine.CONTAINERD, build_step=is_build, namespace=namespace)
    return Ownership(_by_storage(request, path, bundle) or request.engine)


def containerd_namespace(request: DescribeRequest, path: str) -> str | None:
    """Return the containerd namespace; Docker's and the CRI plugin's are namespaces too."""
    task = _TASK.search(path)
    if task is not None:
        return task[1]
    if request.containerd_namespace:
        return request.containerd_namespace
    root = _RUNTIME_ROOT.search(request.runtime_root or "")
    return root[1] if root is not None else None


def _by_storage(request: DescribeRequest, path: str, bundle: Bundle | None) -> Engine | None:
    manager = bundle.annotation("io.container.manager") if bundle is not None else None
    if manager in _MANAGERS:
        return _MANAGERS[manager]
    if storage_of(path, request.id) is not None:
        in_run = path.startswith((f"{_RUN_STORAGE}/", f"/var{_RUN_STORAGE}/"))
        return Engine.CRIO if in_run else Engine.PODMAN
    if bundle is None:
        return None
    if bundle.annotation("io.kubernetes.cri-o.ContainerID") is not None:
        return Engine.CRIO
    if bundle.annotation("io.kubernetes.cri.container-type") is not None:
        return Engine.CONTAINERD
    return Engine.CONTAINERD if bundle.annotation("nerdctl/namespace") is not None else None

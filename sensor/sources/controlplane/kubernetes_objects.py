"""Objects of the Kubernetes API as far as records need them: owners, containers, statuses.

Environments, arguments and annotations such as
``kubectl.kubernetes.io/last-applied-configuration`` hold secrets; they are never read.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from sensor.model.control_plane import Owner, RequestContainer
from sensor.sources.controlplane.json_text import (
    TEXT_LIMIT,
    Json,
    Keys,
    fields,
    number,
    rows,
    table,
    text,
    texts,
)
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    "pods": "Pod",
    "deployments": "Deployment",
    "deploymentconfigs": "DeploymentConfig",
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
    "replicationcontrollers": "ReplicationController",
    "nodes": "Node",
}
_GROUPS = {
    "pods": frozenset({""}),
    "nodes": frozenset({""}),
    "replicationcontrollers": frozenset({"", "extensions"}),
    "deployments": frozenset({"apps", "extensions"}),
    "deploymentconfigs": frozenset({"", "apps.openshift.io"}),
    "replicasets": frozenset({"apps", "extensions"}),
    "daemonsets": frozenset({"apps", "extensions"}),
    "statefulsets": frozenset({"apps"}),
    "jobs": frozenset({"batch", "extensions"}),
    "cronjobs": frozenset({"batch"}),
}
"""The groups whose resources these are. A cluster may define others of equal names in other groups:
``nodes.longhorn.io``, ``jobs.batch.volcano.sh``."""
CONTAINERS_LIMIT = 4096
"""Containers that records share, the latest."""
OWNERS_LIMIT = 4096
"""Owners that records share, the latest."""
MIRROR = "kubernetes.io/config.mirror"
HASH = "kubernetes.io/config.hash"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

_CONTAINER = Keys("name", "image")
_REFERENCE = Keys("resource", "subresource", "namespace", "name", "uid")
_OWNER = Keys("kind", "name", "uid")
_ROLES = (("initContainers", "init"), ("containers", None), ("ephemeralContainers", "ephemeral"))
_STATUSES = (
    ("initContainerStatuses", "init"),
    ("containerStatuses", None),
    ("ephemeralContainerStatuses", "ephemeral"),
)


_NO_TARGET = dict.fromkeys(
    ("resource", "subresource", "namespace", "name", "uid", "apiGroup", "apiVersion"), ""
)
_PARTS = itemgetter(*_NO_TARGET)
Target = tuple[str | None, str | None, str | None, str | None, str | None, str | None]


def target_of(target: Json) -> Target:
    """Return resource, subresource, namespace, name, uid and group of an object reference."""
    try:
        found: tuple[str, str, str, str, str, str, str] = _PARTS(_NO_TARGET | target)
        # One call says of all of them that they are texts, and that none is to be cut.
        if len("".join(found)) <= TEXT_LIMIT:
            resource, subresource, namespace, name, uid, group, version = found
            return (
                resource or None,
                subresource or None,
                namespace or None,
                name or None,
                uid or None,
                group or (api_group(target) if "/" in version else None),
            )
    except TypeError:
        pass
    resource_, subresource_, namespace_, name_, uid_ = fields(target, _REFERENCE)
    return resource_, subresource_, namespace_, name_, uid_, api_group(target)


def api_group(target: Json) -> str | None:
    """Return the group of an object reference; None where it has none: the core, or unknown.

    Version v1alpha1 of the audit API wrote it into ``apiVersion``.
    """
    group = text(target, "apiGroup")
    if group is not None:
        return group
    before, slash, _ = (text(target, "apiVersion") or "").partition("/")
    return before if slash else None


def is_foreign(resource: str, group: str | None) -> bool:
    """Return whether a resource only has the name of one of Kubernetes' own."""
    return group is not None and group not in _GROUPS.get(resource, ("",))


def is_status(value: Json) -> bool:
    """Return whether an API server's answer is a Status: a refusal, or no object at all."""
    return value.get("kind") == "Status" or type(value.get("status")) is str


def only_tried(body: object) -> bool:
    """Return whether a body asks for a dry run: DeleteOptions, or those of an Eviction."""
    if type(body) is not dict:
        return False
    if body.get("kind") == "DeleteOptions":
        return bool(texts(body, "dryRun"))
    return "deleteOptions" in body and bool(texts(body["deleteOptions"], "dryRun"))


def owner(metadata: Json) -> Owner | None:
    """Return the controller that owns the object with this metadata."""
    for reference in rows(metadata, "ownerReferences"):
        if reference.get("controller") is True:
            kind, name, uid = fields(reference, _OWNER)
            if kind is not None and name is not None:
                return _owner(kind, name, uid)
    return None


@lru_cache(maxsize=OWNERS_LIMIT)
def _owner(kind: str, name: str, uid: str | None) -> Owner:
    """Return an owner; the same object for the same one: a workload has many pods."""
    return Owner(kind, name, uid)


def pod_spec(kind: str, value: Json) -> Json:
    """Return the PodSpec in an object of a workload kind."""
    spec = table(value, "spec")
    if kind == "Pod":
        return spec
    if kind == "CronJob":
        spec = table(table(spec, "jobTemplate"), "spec")
    return table(table(spec, "template"), "spec")


def containers(spec: Json) -> tuple[RequestContainer, ...]:
    """Return the containers of a PodSpec, or of a patch of one, in the order of their start."""
    found: list[RequestContainer] = []
    for key, role in _ROLES:
        if key in spec:
            for item in rows(spec, key):
                name, image = fields(item, _CONTAINER)
                sidecar = role == "init" and item.get("restartPolicy") == "Always"
                found.append(_container(name, image, "sidecar" if sidecar else role))
    return tuple(found)


@lru_cache(maxsize=CONTAINERS_LIMIT)
def _container(name: str | None, image: str | None, role: str | None) -> RequestContainer:
    """Return a container; the same object for the same one: pods of a workload are alike."""
    return RequestContainer(name=name, image=image, digest=digest_of(image), role=role)


def digest_of(image: str | None) -> str | None:
    """Return the digest that an image reference carries."""
    if image is None:
        return None
    _, at, digest = image.rpartition("@")
    return digest if at and ":" in digest else None


def running(status: Json, fallback: Json | None = None) -> Iterator[RequestContainer]:
    """Yield the containers that a pod's status, or a patch of it, reports as running.

    ``fallback`` is the whole status: a patch holds only what changed.
    """
    for key, role in _STATUSES:
        whole = {text(item, "name"): item for item in rows(fallback, key)}
        for item in rows(status, key):
            state = table(table(item, "state"), "running")
            if not state and "running" not in table(item, "state"):
                continue
            name = text(item, "name")
            other = whole.get(name, {})
            id_ = text(item, "containerID") or text(other, "containerID")
            if id_ is None:
                continue
            restarts = number(item, "restartCount")
            image_id = text(item, "imageID") or text(other, "imageID")
            yield RequestContainer(
                name=name,
                image=text(item, "image") or text(other, "image"),
                digest=digest_of(image_id),
                id=id_.rpartition("://")[2] or None,
                role=role,
                started=wall(state.get("startedAt")),
                restart_count=number(other, "restartCount") if restarts is None else restarts,
            )

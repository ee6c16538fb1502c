"""What the causal chain needs of a call that writes: versions, replicas, templates, revisions."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sensor.frozen import maker
from sensor.model.control_plane import KubernetesWrite, Touch, Workload
from sensor.sources.controlplane.json_text import Json, number, rows, table, text, texts
from sensor.sources.controlplane.kubernetes_objects import owner

if TYPE_CHECKING:
    from sensor.sources.controlplane.kubernetes_call import Call
    from sensor.sources.controlplane.kubernetes_ruling import Ruling

_write, _STATUS = maker(KubernetesWrite), Touch.STATUS
DESIRED = "deployment.kubernetes.io/desired-replicas"
REVISION = "controller-revision-hash"
_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode
"""One encoder for all; what was parsed from a text has no circles."""
_NONE: Json = {}
TEMPLATE_HASH = "pod-template-hash"
"""The label that a Deployment's controller adds to the template of a ReplicaSet."""


def write(call: Call, ruled: Ruling, metadata: Json) -> KubernetesWrite:
    """Return what a call wrote. ``metadata``: of the object as it is stored."""
    answer, stored, resource, touches = call.answer, call.stored, call.resource, ruled.touches
    spec = stored.get("spec")
    if type(spec) is not dict:
        spec = _NONE
    scaled = call.response if call.subresource == "scale" and call.response else stored
    status = scaled.get("status")
    notes, labels = metadata.get("annotations"), metadata.get("labels")
    # What was asked for has the version before the call. A write of the status changes no
    # version, so that its body says it as well.
    version = metadata.get("generation") if answer is not None or _STATUS in touches else None
    # By position: names would cost more than all else here.
    return _write(
        resource or "",
        call.subresource,
        call.verb or "",
        call.level,
        _ordered(touches),
        _replicas(call, ruled, spec if scaled is stored else scaled.get("spec")),
        number(status, "replicas") if type(status) is dict and "replicas" in status else None,
        None if version is None else number(metadata, "generation"),
        _template(spec) if answer is stored and "template" in spec else None,
        number(notes, DESIRED) if type(notes) is dict and DESIRED in notes else None,
        text(labels, REVISION) if type(labels) is dict and REVISION in labels else None,
        _slot(spec) if resource == "pods" and "affinity" in spec else None,
        _ended(call) if call.verb == "deletecollection" else None,
    )


@lru_cache(maxsize=64)
def _ordered(touches: frozenset[Touch]) -> tuple[Touch, ...]:
    return tuple(sorted(touches))


def _replicas(call: Call, ruled: Ruling, spec: object) -> int | None:
    if call.resource == "jobs":
        return number(spec, "parallelism")
    if ruled.replicas is not None:
        return ruled.replicas
    return number(spec, "replicas") if type(spec) is dict and "replicas" in spec else None


def _template(spec: Json) -> str | None:
    """Return a digest of a pod template, without the label that only a ReplicaSet's has.

    It stays in memory: a template's environment may hold secrets.
    """
    template = spec.get("template")
    if type(template) is not dict:
        return None
    metadata = table(template, "metadata")
    labels = {k: v for k, v in table(metadata, "labels").items() if k != TEMPLATE_HASH}
    plain: dict[str, Any] = {
        **template,
        "metadata": {**{k: v for k, v in metadata.items() if v is not None}, "labels": labels},
    }
    try:
        data = _ENCODE(plain).encode()
    except (RecursionError, ValueError):
        return None
    return blake2b(data, digest_size=16).hexdigest()


def _slot(spec: Json) -> str | None:
    """Return the node that a DaemonSet's pod is for (pkg/controller/daemon/util)."""
    affinity = table(table(spec, "affinity"), "nodeAffinity")
    required = table(affinity, "requiredDuringSchedulingIgnoredDuringExecution")
    for term in rows(required, "nodeSelectorTerms"):
        for field in rows(term, "matchFields"):
            names = texts(field, "values")
            if field.get("key") == "metadata.name" and len(names) == 1:
                return names[0]
    return None


def _ended(call: Call) -> tuple[Workload, ...] | None:
    """Return the pods that a deletion of a collection took away, where its answer names them."""
    answer = call.response
    if answer is None or answer.get("kind") != "PodList":
        return None
    return tuple(
        Workload(
            kind="Pod",
            namespace=call.namespace,
            name=text(table(item, "metadata"), "name"),
            uid=text(table(item, "metadata"), "uid"),
            owner=owner(table(item, "metadata")),
        )
        for item in rows(answer, "items")
    )

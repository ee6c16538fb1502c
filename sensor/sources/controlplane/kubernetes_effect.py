"""What a call of the Kubernetes API does to containers: a function a resource, a table over them.

Workloads have a module of their own.

A refused call keeps the effect that it asked for; its outcome is a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.model.control_plane import ActorKind, Effect, RequestContainer, Standing, Touch
from sensor.sources.controlplane.json_text import Json, rows, table, text
from sensor.sources.controlplane.kubernetes_call import WRITES, creates
from sensor.sources.controlplane.kubernetes_caller import REPLACERS
from sensor.sources.controlplane.kubernetes_objects import (
    KINDS,
    containers,
    is_foreign,
    owner,
    pod_spec,
    running,
)
from sensor.sources.controlplane.kubernetes_patch import (
    added_containers,
    images_set,
    patched_images,
)
from sensor.sources.controlplane.kubernetes_ruling import (
    EXEC,
    NOTHING,
    REPLACED,
    SILENT,
    STOPPED,
    Ruling,
)
from sensor.sources.controlplane.kubernetes_workloads import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.sources.controlplane.kubernetes_call import Call

_READS = frozenset({"get", "list", "watch"})
_STREAMS = frozenset({"exec", "attach"})
"""Opened with ``get`` since clients speak WebSocket."""
_REPLACED_BY_ITS_OWNER = frozenset(
    {"ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job"}
)
_REQUESTED, _START, _NODE = Standing.REQUESTED, Effect.START, ActorKind.NODE
_ruling = maker(Ruling)
_CREATE, _MIRROR = (frozenset({touch}) for touch in (Touch.CREATE, Touch.MIRROR))


def ruling(call: Call) -> Ruling:
    """Return what the call is to a container start."""
    resource = call.resource or ""
    judge = _JUDGES.get(resource)
    if judge is None or (call.verb in _READS and call.subresource not in _STREAMS):
        return NOTHING
    if call.group is not None and is_foreign(resource, call.group):
        return NOTHING
    if call.dry_run:
        return Ruling(Standing.NO, Effect.DRY_RUN, containers=_asked(call))
    return judge(call)


def _asked(call: Call) -> tuple[RequestContainer, ...]:
    kind = KINDS.get(call.resource or "", "")
    return containers(pod_spec(kind, call.stored))


# ------------------------------------------------------------------------------------------ pods


def _pods(call: Call) -> Ruling:
    if call.subresource is not None:
        judge = _POD_SUBRESOURCES.get(call.subresource)
        return NOTHING if judge is None else judge(call)
    if creates(call):
        if _kind(call) is _NODE:
            return Ruling(Standing.RELATED, Effect.STATIC_POD, _MIRROR, containers=_asked(call))
        return _ruling(_REQUESTED, _START, _CREATE, None, _asked(call))
    if call.verb in {"delete", "deletecollection"}:
        return _pod_deleted(call)
    if call.verb in WRITES:
        return _pod_changed(call)
    return NOTHING


def _kind(call: Call) -> ActorKind | None:
    return None if call.actor is None else call.actor.kind


def _pod_deleted(call: Call) -> Ruling:
    kind = _kind(call)
    if kind is ActorKind.NODE:
        return STOPPED
    if kind is ActorKind.CONTROL_PLANE:
        known = call.actor is not None and call.actor.name in REPLACERS
        return REPLACED if known else STOPPED
    answer = call.response
    if answer is not None and answer.get("kind") == "Pod":
        return REPLACED if _replaced(answer) else STOPPED
    if answer is not None and answer.get("kind") == "PodList":
        return REPLACED if any(_replaced(pod) for pod in rows(answer, "items")) else STOPPED
    return REPLACED


def _replaced(pod: Json) -> bool:
    """Return whether the owner of a pod makes another one in its place."""
    held = owner(table(pod, "metadata"))
    return held is not None and held.kind in _REPLACED_BY_ITS_OWNER


def _pod_changed(call: Call) -> Ruling:
    body = call.request
    if body is None:
        # Controllers and nodes patch labels, conditions and finalizers all the time.
        ours = _kind(call) in {ActorKind.CONTROL_PLANE, ActorKind.NODE}
        return NOTHING if ours else SILENT
    if not patched_images(body):
        return NOTHING
    touched = frozenset({Touch.IMAGE})
    if isinstance(body, list):
        named = images_set(body, table(call.answer, "spec"))
        return Ruling(Standing.REQUESTED, Effect.RESTART, touched, containers=named)
    named = tuple(item for item in containers(table(body, "spec")) if item.image is not None)
    if call.verb == "update" or body.get("kind") == "Pod":
        changed = _images_differ(call, named)
        if changed is None:
            return Ruling(Standing.POSSIBLE, Effect.RESTART, touched, containers=named)
        named = changed
        if not named:
            return NOTHING
    return Ruling(Standing.REQUESTED, Effect.RESTART, touched, containers=named)


def _images_differ(
    call: Call, named: tuple[RequestContainer, ...]
) -> tuple[RequestContainer, ...] | None:
    """Return the containers whose image is not the one that runs; None where it is unknown."""
    statuses = rows(table(call.response, "status"), "containerStatuses")
    if not statuses:
        return None
    ran = {text(item, "name"): text(item, "image") or "" for item in statuses}
    return tuple(
        item for item in named if item.name in ran and not ran[item.name].endswith(item.image or "")
    )


def _binding(_: Call) -> Ruling:
    return Ruling(Standing.RELATED, Effect.SCHEDULED, frozenset({Touch.BIND}))


def _eviction(_: Call) -> Ruling:
    return REPLACED


def _exec(_: Call) -> Ruling:
    return EXEC


def _ephemeral(call: Call) -> Ruling:
    if call.verb not in WRITES:
        return NOTHING
    added = () if call.request is None else added_containers(call.request)
    touched = frozenset({Touch.EPHEMERAL})
    return Ruling(Standing.REQUESTED, Effect.EPHEMERAL, touched, containers=added)


def _resize(call: Call) -> Ruling:
    """A resize restarts a container only where its resizePolicy asks for that."""
    if call.verb not in WRITES:
        return NOTHING
    touched = frozenset({Touch.IMAGE})
    if not isinstance(call.request, dict) or call.response is None:
        return Ruling(Standing.POSSIBLE, Effect.RESTART, touched)
    resized = {
        text(item, "name"): set(table(table(item, "resources"), "requests"))
        | set(table(table(item, "resources"), "limits"))
        for item in rows(table(call.request, "spec"), "containers")
    }
    for item in rows(table(call.response, "spec"), "containers"):
        wanted = resized.get(text(item, "name"), set())
        for policy in rows(item, "resizePolicy"):
            restarts = policy.get("restartPolicy") == "RestartContainer"
            if restarts and text(policy, "resourceName") in wanted:
                named = (RequestContainer(name=text(item, "name"), image=text(item, "image")),)
                return Ruling(Standing.REQUESTED, Effect.RESTART, touched, containers=named)
    return NOTHING


def _pod_status(call: Call) -> Ruling:
    if _kind(call) is not ActorKind.NODE or not isinstance(call.request, dict):
        return NOTHING
    whole = None if call.response is None else table(call.response, "status")
    ran = tuple(running(table(call.request, "status"), whole))
    if not ran:
        return NOTHING
    return Ruling(Standing.OBSERVED, Effect.START, frozenset({Touch.STATUS}), containers=ran)


_POD_SUBRESOURCES: dict[str, Callable[[Call], Ruling]] = {
    "attach": _exec,
    "binding": _binding,
    "ephemeralcontainers": _ephemeral,
    "eviction": _eviction,
    "exec": _exec,
    "resize": _resize,
    "status": _pod_status,
}


# ----------------------------------------------------------------------------------------- nodes


def _nodes(call: Call) -> Ruling:
    if call.subresource is None and call.verb == "create":
        return Ruling(Standing.NO, Effect.NODE_JOIN, frozenset({Touch.CREATE}))
    if call.subresource is None and call.verb in {"delete", "deletecollection"}:
        return Ruling(Standing.RELATED, Effect.NODE_LEAVE, frozenset({Touch.DELETE}))
    if call.subresource is None and call.verb in WRITES:
        return _node_changed(call)
    return NOTHING


def _node_changed(call: Call) -> Ruling:
    """Return what a change of a node is: DaemonSets answer its labels and taints."""
    body = call.request
    if isinstance(body, dict):
        spec = table(body, "spec")
        if any(taint.get("effect") == "NoExecute" for taint in rows(spec, "taints")):
            return _TAINTED
        return (
            _NODE_CHANGED if "taints" in spec or table(body, "metadata").get("labels") else NOTHING
        )
    return _NODE_CHANGED


_TAINTED = Ruling(touches=frozenset({Touch.TAINT}))
_NODE_CHANGED = Ruling(touches=frozenset({Touch.NODE}))


_JUDGES: dict[str, Callable[[Call], Ruling]] = {
    "pods": _pods,
    "nodes": _nodes,
    **{name: workload for name in KINDS if name not in {"pods", "nodes"}},
}
RESOURCES = frozenset(_JUDGES)
"""Resources of which a write may concern containers; all others are skipped."""

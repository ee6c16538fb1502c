"""What a call of the Kubernetes API does to containers: a function a resource, a table over them.

A refused call keeps the effect that it asked for; its outcome is a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.control_plane import ActorKind, Effect, RequestContainer, Standing, Touch
from sensor.sources.controlplane.json_text import Json, number, rows, table, text
from sensor.sources.controlplane.kubernetes_caller import REPLACERS
from sensor.sources.controlplane.kubernetes_objects import (
    KINDS,
    containers,
    is_foreign,
    owner,
    pod_spec,
    running,
)
from sensor.sources.controlplane.kubernetes_patch import SpecChange, change_of, patched_images
from sensor.sources.controlplane.kubernetes_ruling import (
    CONFIG,
    EXEC,
    NOTHING,
    REPLACED,
    ROLLED_OUT,
    SCHEDULED,
    SEEN,
    SILENT,
    STOPPED,
    SUSPENDED,
    Ruling,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.sources.controlplane.kubernetes_call import Call

CREATED = 201
_READS = frozenset({"get", "list", "watch"})
_STREAMS = frozenset({"exec", "attach"})
"""Opened with ``get`` since clients speak WebSocket."""
_WRITES = frozenset({"patch", "update", "apply"})
_SCALED_DIRECTLY = frozenset({"ReplicaSet", "ReplicationController"})
_REPLACED_BY_ITS_OWNER = frozenset({"ReplicaSet", "StatefulSet", "DaemonSet", "Job"})
_CREATE, _MIRROR, _REPLICAS = (
    frozenset({touch}) for touch in (Touch.CREATE, Touch.MIRROR, Touch.REPLICAS)
)
_ROLLOUTS = frozenset({("deployments", "rollback"), ("deploymentconfigs", "instantiate")})
"""Subresources of which a create asks for a rollout: of clients before 1.16, and of OpenShift."""


def ruling(call: Call) -> Ruling:
    """Return what the call is to a container start."""
    resource = call.resource or ""
    judge = _JUDGES.get(resource)
    if judge is None or (call.verb in _READS and call.subresource not in _STREAMS):
        return NOTHING
    if is_foreign(resource, call.group):
        return NOTHING
    if call.dry_run:
        return Ruling(Standing.NO, Effect.DRY_RUN, containers=_asked(call))
    return judge(call)


def _asked(call: Call) -> tuple[RequestContainer, ...]:
    kind = KINDS.get(call.resource or "", "")
    return containers(pod_spec(kind, call.stored))


def _created(call: Call) -> bool:
    """Server-side apply creates with the verb patch and the code 201."""
    return call.verb == "create" or (call.verb in _WRITES and call.code == CREATED)


# ------------------------------------------------------------------------------------------ pods


def _pods(call: Call) -> Ruling:
    if call.subresource is not None:
        judge = _POD_SUBRESOURCES.get(call.subresource)
        return NOTHING if judge is None else judge(call)
    if _created(call):
        if _kind(call) is ActorKind.NODE:
            return Ruling(Standing.RELATED, Effect.STATIC_POD, _MIRROR, containers=_asked(call))
        return Ruling(Standing.REQUESTED, Effect.START, _CREATE, containers=_asked(call))
    if call.verb in {"delete", "deletecollection"}:
        return _pod_deleted(call)
    if call.verb in _WRITES:
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
        return Ruling(Standing.REQUESTED, Effect.RESTART, touched)
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
    if call.verb not in _WRITES:
        return NOTHING
    body = call.request
    added: tuple[RequestContainer, ...] = ()
    if isinstance(body, dict):
        added = tuple(c for c in containers(table(body, "spec")) if c.role == "ephemeral")
    touched = frozenset({Touch.EPHEMERAL})
    return Ruling(Standing.REQUESTED, Effect.EPHEMERAL, touched, containers=added)


def _resize(call: Call) -> Ruling:
    """A resize restarts a container only where its resizePolicy asks for that."""
    if call.verb not in _WRITES:
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


# ------------------------------------------------------------------------------------- workloads


def _workload(call: Call) -> Ruling:
    if call.subresource == "scale":
        return _scale(call) if call.verb in _WRITES else NOTHING
    if (call.resource, call.subresource) in _ROLLOUTS and call.verb == "create":
        return ROLLED_OUT
    if call.subresource is not None:
        known = call.resource == "cronjobs" and call.subresource == "status" and call.request
        return SEEN if known else NOTHING
    if _created(call):
        return _workload_created(call)
    if call.verb in {"delete", "deletecollection"}:
        return STOPPED
    if call.verb in _WRITES:
        return _workload_changed(call)
    return NOTHING


def _workload_created(call: Call) -> Ruling:
    kind = KINDS[call.resource or ""]
    value = call.stored
    spec = table(value, "spec")
    replicas = number(spec, "replicas")
    named = containers(pod_spec(kind, value))
    touched = _CREATE
    if kind == "CronJob":
        suspended = spec.get("suspend") is True
        standing = Standing.NO if suspended else Standing.RELATED
        effect = Effect.CONFIG if suspended else Effect.SCHEDULE
        return Ruling(standing, effect, touched, containers=named)
    parallelism = number(spec, "parallelism") if kind == "Job" else None
    if replicas == 0 or parallelism == 0 or spec.get("suspend") is True:
        return Ruling(Standing.NO, Effect.CONFIG, touched, replicas, named)
    return Ruling(Standing.REQUESTED, Effect.START, touched, replicas, named)


def _scale(call: Call) -> Ruling:
    body = call.request
    asked = change_of(body, call.verb).new_replicas if body is not None else None
    answer = call.answer
    if answer is None:
        return _scaled(asked, None if call.response is None else 0)
    now = number(table(answer, "spec"), "replicas")
    # proto3 and omitempty: a zero stands in neither block.
    return _scaled(now or 0, number(table(answer, "status"), "replicas") or 0)


def _scaled(new: int | None, old: int | None) -> Ruling:
    touched = _REPLICAS
    if new is None or (old is None and new > 0):
        return Ruling(Standing.POSSIBLE, Effect.SCALE, touched, new)
    if new > (old or 0):
        return Ruling(Standing.REQUESTED, Effect.SCALE_UP, touched, new)
    if old is None or new < old:
        return Ruling(Standing.NO, Effect.SCALE_DOWN, touched, new)
    return Ruling(Standing.NO, Effect.CONFIG, replicas=new)


def _workload_changed(call: Call) -> Ruling:
    kind, body = KINDS[call.resource or ""], call.request
    if body is None:
        return SILENT
    change = change_of(body, call.verb)
    answer = call.answer
    if kind == "CronJob":
        return _schedule_changed(change)
    if kind == "Job":
        return _job_changed(change)
    if answer is not None and _spec_is_the_old_one(kind, answer):
        return CONFIG
    if kind in _SCALED_DIRECTLY:
        return _replicas_written(call, change, answer) if change.replicas else CONFIG
    if change.template and not (change.whole and answer is None):
        return _rolled_out(call, change, answer)
    if change.whole and answer is None:
        return SILENT
    if change.replicas:
        return _replicas_written(call, change, answer)
    if change.resume:
        return Ruling(Standing.REQUESTED, Effect.ROLLOUT, frozenset({Touch.RESUME}))
    return CONFIG


def _schedule_changed(change: SpecChange) -> Ruling:
    if not change.spec:
        return CONFIG
    return SUSPENDED if change.suspend is True else SCHEDULED


def _spec_is_the_old_one(kind: str, answer: Json) -> bool:
    """Return whether the controller had seen this spec before the write: it changed nothing."""
    if kind in _SCALED_DIRECTLY:
        return False
    generation = number(table(answer, "metadata"), "generation")
    observed = number(table(answer, "status"), "observedGeneration")
    return generation is not None and generation == observed


def _replicas_written(call: Call, change: SpecChange, answer: Json | None) -> Ruling:
    if answer is None:
        refused = call.response is not None
        return _scaled(change.new_replicas, 0 if refused else None)
    new = number(table(answer, "spec"), "replicas")
    return _scaled(new or 0, number(table(answer, "status"), "replicas") or 0)


def _rolled_out(call: Call, change: SpecChange, answer: Json | None) -> Ruling:
    spec = table(answer, "spec")
    update = table(spec, "updateStrategy").get("type")
    if spec.get("paused") is True or update == "OnDelete" or number(spec, "replicas") == 0:
        return CONFIG
    if change.restart:
        return Ruling(Standing.REQUESTED, Effect.RESTART, frozenset({Touch.TEMPLATE}))
    if change.whole and change.replicas:
        scaled = _replicas_written(call, change, answer)
        if scaled.effect in {Effect.SCALE_UP, Effect.SCALE_DOWN}:
            # A whole object does not say whether the template in it is new.
            both = frozenset({Touch.TEMPLATE, Touch.REPLICAS})
            return Ruling(scaled.standing, scaled.effect, both, scaled.replicas)
    touched = {Touch.TEMPLATE} | ({Touch.REPLICAS} if change.replicas else set())
    named: tuple[RequestContainer, ...] = ()
    if isinstance(call.request, dict):
        template = table(table(call.request, "spec"), "template")
        named = tuple(c for c in containers(table(template, "spec")) if c.image is not None)
    elif answer is not None:
        named = containers(pod_spec("Deployment", answer))
    return Ruling(Standing.REQUESTED, Effect.ROLLOUT, frozenset(touched), containers=named)


def _job_changed(change: SpecChange) -> Ruling:
    if change.suspend is False and not change.whole:
        return Ruling(Standing.REQUESTED, Effect.START, frozenset({Touch.RESUME}))
    if change.suspend is True and not change.whole:
        return STOPPED
    return CONFIG if change.spec else NOTHING


# ----------------------------------------------------------------------------------------- nodes


def _nodes(call: Call) -> Ruling:
    if call.subresource is None and call.verb == "create":
        return Ruling(Standing.NO, Effect.NODE_JOIN, frozenset({Touch.CREATE}))
    if call.subresource is None and call.verb in {"delete", "deletecollection"}:
        return Ruling(Standing.RELATED, Effect.NODE_LEAVE, frozenset({Touch.DELETE}))
    if call.subresource is None and call.verb == "patch" and isinstance(call.request, dict):
        taints = rows(table(call.request, "spec"), "taints")
        if any(taint.get("effect") == "NoExecute" for taint in taints):
            return Ruling(Standing.NO, Effect.NONE, frozenset({Touch.TAINT}))
    return NOTHING


_JUDGES: dict[str, Callable[[Call], Ruling]] = {
    "pods": _pods,
    "nodes": _nodes,
    **{name: _workload for name in KINDS if name not in {"pods", "nodes"}},
}
RESOURCES = frozenset(_JUDGES)
"""Resources of which a write may concern containers; all others are skipped."""

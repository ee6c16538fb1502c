"""What a call of the Kubernetes API about a workload does: creates, scales, rollouts, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.control_plane import Effect, Standing, Touch
from sensor.sources.controlplane.json_text import Json, number, rows, table, text
from sensor.sources.controlplane.kubernetes_call import WRITES, creates
from sensor.sources.controlplane.kubernetes_objects import KINDS, containers, pod_spec
from sensor.sources.controlplane.kubernetes_patch import SpecChange, change_of, template_set
from sensor.sources.controlplane.kubernetes_ruling import (
    CONFIG,
    NOTHING,
    ROLLED_OUT,
    SCHEDULED,
    SEEN,
    SILENT,
    STOPPED,
    SUSPENDED,
    Ruling,
)

if TYPE_CHECKING:
    from sensor.model.control_plane import RequestContainer
    from sensor.sources.controlplane.kubernetes_call import Call

_SCALED_DIRECTLY = frozenset({"ReplicaSet", "ReplicationController"})
_CREATE, _REPLICAS, _RESUME = (
    frozenset({touch}) for touch in (Touch.CREATE, Touch.REPLICAS, Touch.RESUME)
)
_ROLLOUTS = frozenset({("deployments", "rollback"), ("deploymentconfigs", "instantiate")})
"""Subresources of which a create asks for a rollout: of clients before 1.16, and of OpenShift."""


def workload(call: Call) -> Ruling:
    """Return what a call about a workload is to a container start."""
    if call.subresource == "scale":
        return _scale(call) if call.verb in WRITES else NOTHING
    if (call.resource, call.subresource) in _ROLLOUTS and call.verb == "create":
        return ROLLED_OUT
    if call.subresource is not None:
        known = call.resource == "cronjobs" and call.subresource == "status" and call.request
        return SEEN if known else NOTHING
    if creates(call):
        return _workload_created(call)
    if call.verb in {"delete", "deletecollection"}:
        return STOPPED
    if call.verb in WRITES:
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
    # While pods are exchanged there are more than were asked for: the chain needs the number.
    return Ruling(Standing.NO, Effect.CONFIG, touched, new)


def _workload_changed(call: Call) -> Ruling:
    kind, body = KINDS[call.resource or ""], call.request
    if body is None:
        return SILENT
    change = change_of(body, call.verb)
    answer = call.answer
    if kind == "CronJob":
        return _schedule_changed(change)
    if kind == "Job":
        return _job_changed(change, answer)
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
        return Ruling(Standing.REQUESTED, Effect.ROLLOUT, _RESUME)
    return _let_go(answer) if change.partition else CONFIG


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
    scaled = CONFIG
    if change.whole and change.replicas:
        scaled = _replicas_written(call, change, answer)
    moved = scaled.effect in {Effect.SCALE_UP, Effect.SCALE_DOWN}
    if _held(spec):
        return scaled if moved else CONFIG
    if moved:
        # A whole object does not say whether the template in it is new.
        both = frozenset({Touch.TEMPLATE, Touch.REPLICAS})
        return Ruling(scaled.standing, scaled.effect, both, scaled.replicas)
    if number(spec, "replicas") == 0:
        return CONFIG
    if change.restart:
        return Ruling(Standing.REQUESTED, Effect.RESTART, frozenset({Touch.TEMPLATE}))
    touched = {Touch.TEMPLATE} | ({Touch.REPLICAS} if change.replicas else set())
    named: tuple[RequestContainer, ...] = ()
    if isinstance(call.request, dict):
        template = table(table(call.request, "spec"), "template")
        named = tuple(c for c in containers(table(template, "spec")) if c.image is not None)
    elif answer is not None:
        named = containers(pod_spec("Deployment", answer))
    elif call.request is not None:
        named = containers(template_set(call.request))
    return Ruling(Standing.REQUESTED, Effect.ROLLOUT, frozenset(touched), containers=named)


def _held(spec: Json) -> bool:
    """Return whether a new template waits: for a resume, for deletions, or below a partition."""
    if spec.get("paused") is True:
        return True
    strategy = table(spec, "updateStrategy")
    partition = number(table(strategy, "rollingUpdate"), "partition")
    return strategy.get("type") == "OnDelete" or (
        partition is not None and 0 < (number(spec, "replicas") or 0) <= partition
    )


def _let_go(answer: Json | None) -> Ruling:
    """Return what a new partition of a StatefulSet does: it may let a new template go on."""
    if answer is None:
        return Ruling(Standing.POSSIBLE, Effect.ROLLOUT, _RESUME)
    status = table(answer, "status")
    current, wanted = text(status, "currentRevision"), text(status, "updateRevision")
    if current is None or current == wanted or _held(table(answer, "spec")):
        return CONFIG
    return Ruling(Standing.REQUESTED, Effect.ROLLOUT, _RESUME)


def _job_changed(change: SpecChange, answer: Json | None) -> Ruling:
    runs = "startTime" in table(answer, "status")
    if change.suspend is False and not runs and not (change.whole and not _is_suspended(answer)):
        return Ruling(Standing.REQUESTED, Effect.START, _RESUME)
    if change.suspend is True and (runs or not change.whole):
        return STOPPED
    return CONFIG if change.spec else NOTHING


def _is_suspended(answer: Json | None) -> bool:
    """Return whether a Job's controller had it as suspended before a write."""
    return any(
        one.get("type") == "Suspended" and one.get("status") == "True"
        for one in rows(table(answer, "status"), "conditions")
    )

"""Kubernetes Events (``kubectl get events -o json``, GKE's log ``events``): what components report.

Only ``reason`` is read, never the message, whose text changes from version to version. Events are
rate-limited and aggregated, so reported starts are at most as many as real ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.model.control_plane import (
    ChainPart,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestContainer,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, table, text
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from sensor.model.control_plane import Cluster

_FIELD = re.compile(r"spec\.(initContainers|containers|ephemeralContainers)\{([^{}]{1,253})\}")
_NODE = "kubelet"
_ROLES = {"initContainers": "init", "ephemeralContainers": "ephemeral"}
_REASONS = {
    "Scheduled": (Standing.RELATED, Effect.SCHEDULED, RequestOutcome.SUCCESS),
    "Created": (Standing.RELATED, Effect.CREATE, RequestOutcome.SUCCESS),
    "Started": (Standing.OBSERVED, Effect.START, RequestOutcome.SUCCESS),
    "Killing": (Standing.NO, Effect.STOP, RequestOutcome.SUCCESS),
    "BackOff": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
    "Failed": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
    "FailedCreate": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
    "FailedScheduling": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
    "ScalingReplicaSet": (Standing.RELATED, Effect.SCALE, RequestOutcome.SUCCESS),
    "SuccessfulCreate": (Standing.RELATED, Effect.START, RequestOutcome.SUCCESS),
    "SuccessfulDelete": (Standing.NO, Effect.STOP, RequestOutcome.SUCCESS),
}
_POD, _DEPLOYMENT = frozenset({"Pod"}), frozenset({"Deployment"})
_MAKERS = frozenset(
    {"CronJob", "DaemonSet", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}
)
_ABOUT = {
    "ScalingReplicaSet": _DEPLOYMENT,
    "FailedCreate": _MAKERS,
    "SuccessfulCreate": _MAKERS,
    "SuccessfulDelete": _MAKERS,
}
"""What the reasons are said of; all others of a pod. Operators use the same words of their own
objects: ``Started`` is what Tekton says of a TaskRun."""
_OF_CONTAINERS = frozenset({"Created", "Started"})
"""What kubelet says of one container of a pod."""
_OTHER = (Standing.NO, Effect.NONE, RequestOutcome.SUCCESS)


def is_event(value: Json) -> bool:
    """Return whether a JSON object is a Kubernetes Event of core/v1 or events.k8s.io/v1."""
    return "reason" in value and ("involvedObject" in value or "regarding" in value)


def read(value: Json, ref: RecordRef, cluster: Cluster | None = None) -> ControlRecord:
    """Return the record of an Event."""
    about = table(value, "involvedObject") or table(value, "regarding")
    metadata = table(value, "metadata")
    reason = text(value, "reason")
    standing, effect, outcome = _meaning(value, about, reason or "")
    count = number(value, "count") or number(table(value, "series"), "count") or 1
    when = _time(value)
    uid = text(metadata, "uid")
    request = Request(
        source=RequestSource.KUBERNETES,
        id=uid,
        action=f"event {reason}",
        effect=effect,
        chain=ChainPart.REPORT,
        outcome=outcome,
        reason=reason,
        requested=when,
        cluster=cluster,
        workload=Workload(
            kind=text(about, "kind") or "Object",
            namespace=text(about, "namespace"),
            name=text(about, "name"),
            uid=text(about, "uid"),
            node=_node(value),
        ),
        containers=_containers(about),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.KUBERNETES, "event", uid, reason, count, when),
        observed_key=f"event\x1f{uid}\x1f{count}" if standing is Standing.OBSERVED else None,
    )


def _meaning(value: Json, about: Json, reason: str) -> tuple[Standing, Effect, RequestOutcome]:
    """Return what a reason means; where it is not said of what it means something of, nothing."""
    kind = text(about, "kind")
    if kind is not None and kind not in _ABOUT.get(reason, _POD):
        return _OTHER
    if reason in _OF_CONTAINERS and not (_containers(about) and _reporter(value) in {None, _NODE}):
        return _OTHER
    return _REASONS.get(reason, _OTHER)


def _reporter(value: Json) -> str | None:
    """Return the component that says it, by the fields of either version of the API."""
    source = table(value, "source") or table(value, "deprecatedSource")
    return (
        text(value, "reportingController")
        or text(value, "reportingComponent")
        or text(source, "component")
    )


def _containers(about: Json) -> tuple[RequestContainer, ...]:
    """Return the container of the pod that the Event is about, if it is about one."""
    named = _FIELD.fullmatch(text(about, "fieldPath") or "")
    if named is None:
        return ()
    return (RequestContainer(name=named.group(2), role=_ROLES.get(named.group(1))),)


def _node(value: Json) -> str | None:
    source = table(value, "source") or table(value, "deprecatedSource")
    node = text(source, "host")
    if node is None and _reporter(value) == _NODE:
        return text(value, "reportingInstance")
    return node


def _time(value: Json) -> int | None:
    """Return when it happened last, by the fields of either version of the API."""
    return (
        wall(table(value, "series").get("lastObservedTime"))
        or wall(value.get("eventTime"))
        or wall(value.get("lastTimestamp"))
        or wall(value.get("deprecatedLastTimestamp"))
        or wall(value.get("firstTimestamp"))
        or wall(table(value, "metadata").get("creationTimestamp"))
    )

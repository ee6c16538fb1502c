"""Cloud Audit Logs of Google's services other than Kubernetes: Cloud Run, GKE's own API.

A long operation has two entries: the first with the principal, the last with the status and no
principal. They share ``operation.id``. Instances that traffic adds leave no entry.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.model.control_plane import (
    Actor,
    ActorKind,
    ChainPart,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestCertainty,
    RequestContainer,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.addresses import is_address
from sensor.sources.controlplane.gke import cluster_of, delegation
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, rows, table, text
from sensor.sources.controlplane.kubernetes_objects import digest_of
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICE_AGENT = re.compile(
    r"(?:service-\d+@.+|\d+@cloudservices|\d+@cloudbuild)\.?(?:iam\.)?gserviceaccount\.com"
)
"""Accounts of Google's own services (cloud.google.com/iam/docs/service-agents)."""

_START = (Standing.REQUESTED, Effect.START)
_ROLLOUT = (Standing.POSSIBLE, Effect.ROLLOUT)
_STOP = (Standing.NO, Effect.STOP)
_CONFIG = (Standing.NO, Effect.CONFIG)
_CLUSTER = (Standing.NO, Effect.CLUSTER)
_NODES = (Standing.NO, Effect.NODES)
_NONE = (Standing.NO, Effect.NONE)

_RUN = {
    "Services.CreateService": ("CloudRunService", _START),
    "Services.UpdateService": ("CloudRunService", _ROLLOUT),
    "Services.ReplaceService": ("CloudRunService", _ROLLOUT),
    "Services.DeleteService": ("CloudRunService", _STOP),
    "WorkerPools.CreateWorkerPool": ("CloudRunWorkerPool", _START),
    "WorkerPools.UpdateWorkerPool": ("CloudRunWorkerPool", _ROLLOUT),
    "WorkerPools.DeleteWorkerPool": ("CloudRunWorkerPool", _STOP),
    "Jobs.RunJob": ("CloudRunJob", _START),
    "Jobs.CreateJob": ("CloudRunJob", _CONFIG),
    "Jobs.UpdateJob": ("CloudRunJob", _CONFIG),
    "Jobs.ReplaceJob": ("CloudRunJob", _CONFIG),
    "Jobs.DeleteJob": ("CloudRunJob", _STOP),
    "Executions.CancelExecution": ("CloudRunJobExecution", _STOP),
    "Executions.DeleteExecution": ("CloudRunJobExecution", _STOP),
}
"""Methods of google.cloud.run v1 and v2 without their package."""
_GKE = {
    "CreateCluster": ("Cluster", _CLUSTER),
    "UpdateCluster": ("Cluster", _CLUSTER),
    "DeleteCluster": ("Cluster", _CLUSTER),
    "CreateNodePool": ("NodePool", _NODES),
    "UpdateNodePool": ("NodePool", _NODES),
    "DeleteNodePool": ("NodePool", _NODES),
    "SetNodePoolSize": ("NodePool", _NODES),
    "SetNodePoolAutoscaling": ("NodePool", _NODES),
    "RollbackNodePoolUpgrade": ("NodePool", _NODES),
}
_ENDS = {
    "/Jobs.RunJob": ("CloudRunJobExecution", (Standing.RELATED, Effect.START)),
    "/Services.CreateService": ("CloudRunService", (Standing.RELATED, Effect.START)),
    "/Services.ReplaceService": ("CloudRunService", (Standing.RELATED, Effect.ROLLOUT)),
    "/Services.UpdateService": ("CloudRunService", (Standing.RELATED, Effect.ROLLOUT)),
}
"""What the log ``system_event`` says of the ends, under short names and without a principal."""


def read(entry: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of an audit entry of one of Google's services."""
    payload = table(entry, "protoPayload")
    method = text(payload, "methodName")
    kind, (standing, effect) = _known(method or "", text(payload, "serviceName"))
    who = _actor(table(payload, "authenticationInfo"))
    operation = table(entry, "operation")
    first, last = operation.get("first") is True, operation.get("last") is True
    caller = text(table(payload, "requestMetadata"), "callerIp")
    resource = text(payload, "resourceName")
    insert, stamp = text(entry, "insertId"), text(entry, "timestamp")
    id_ = text(operation, "id")
    status = number(table(payload, "status"), "code") or 0
    cluster = cluster_of(entry)
    request = Request(
        source=RequestSource.GCP,
        id=id_ or insert,
        action=method,
        effect=effect,
        chain=_chain(who),
        outcome=_outcome(status, pending=first and not last),
        certainty=RequestCertainty.MAY if standing is Standing.POSSIBLE else RequestCertainty.ASKS,
        code=status or None,
        reason=text(table(payload, "status"), "message") if status else None,
        requested=wall(stamp),
        completed=None if first and not last else wall(stamp),
        actor=who,
        address=caller if is_address(caller) else None,
        addresses=(caller,) if caller is not None and is_address(caller) else (),
        user_agent=text(table(payload, "requestMetadata"), "callerSuppliedUserAgent"),
        cluster=cluster,
        workload=Workload(kind=kind, name=_last(resource), resource=resource),
        containers=tuple(_containers(table(payload, "request"))),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(RequestSource.GCP, insert, stamp, text(entry, "logName")),
        operation=None
        if id_ is None or effect is Effect.NONE
        else key(RequestSource.GCP, "operation", id_, method),
    )


def _known(method: str, service: str | None) -> tuple[str, tuple[Standing, Effect]]:
    if method in _ENDS:
        return _ENDS[method]
    parts = method.split(".")
    if service == "run.googleapis.com":
        return _RUN.get(".".join(parts[-2:]), ("Resource", _NONE))
    if service == "container.googleapis.com":
        return _GKE.get(parts[-1], ("Resource", _NONE))
    return "Resource", _NONE


def _actor(who: Json) -> Actor | None:
    name = text(who, "principalEmail") or text(who, "principalSubject")
    if name is None:
        return None
    if _SERVICE_AGENT.fullmatch(name) is not None:
        kind = ActorKind.CLOUD_SERVICE
    elif name.endswith(".gserviceaccount.com"):
        kind = ActorKind.SERVICE_ACCOUNT
    else:
        kind = ActorKind.USER
    return Actor(name, kind, id=text(who, "serviceAccountKeyName"), on_behalf_of=delegation(who))


def _chain(who: Actor | None) -> ChainPart:
    if who is None:
        return ChainPart.REPORT
    return ChainPart.STEP if who.kind is ActorKind.CLOUD_SERVICE else ChainPart.ORIGIN


def _outcome(status: int, *, pending: bool) -> RequestOutcome:
    if status:
        return RequestOutcome.FAILURE
    return RequestOutcome.ACCEPTED if pending else RequestOutcome.SUCCESS


def _last(resource: str | None) -> str | None:
    return None if resource is None else resource.rpartition("/")[2] or None


def _containers(asked: Json) -> Iterator[RequestContainer]:
    """Yield the images of a service, job or worker pool, of the v2 and of the v1 API."""
    for name in ("service", "job", "workerPool"):
        outer = table(asked, name)
        template = table(outer, "template") or table(table(outer, "spec"), "template")
        spec = table(template, "spec")
        # A job of the v1 API has the template of its tasks in that of its executions.
        tasks = table(table(spec, "template"), "spec")
        for inner in (template, table(template, "template"), spec, tasks):
            for item in rows(inner, "containers"):
                image = text(item, "image")
                yield RequestContainer(
                    name=text(item, "name"), image=image, digest=digest_of(image)
                )


def autoscaler(entry: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of a decision of GKE's cluster autoscaler: why a node is added."""
    decision = table(table(entry, "jsonPayload"), "decision")
    pools = [
        name
        for item in rows(table(decision, "scaleUp"), "increasedMigs")
        if (name := text(table(item, "mig"), "nodepool")) is not None
    ]
    insert, stamp = text(entry, "insertId"), text(entry, "timestamp")
    request = Request(
        source=RequestSource.GCP,
        id=text(decision, "eventId") or insert,
        action="cluster-autoscaler decision",
        effect=Effect.NODES if decision else Effect.NONE,
        chain=ChainPart.STEP,
        outcome=None,
        requested=wall(stamp),
        actor=Actor("cluster-autoscaler", ActorKind.CONTROL_PLANE),
        cluster=cluster_of(entry),
        workload=Workload(kind="NodePool", name=pools[0] if pools else None),
        ref=ref,
    )
    return ControlRecord(
        standing=Standing.NO,
        request=request,
        key=key(RequestSource.GCP, insert, stamp, text(entry, "logName")),
    )

"""ECS's own events on EventBridge: what became of tasks, services, deployments and instances.

Events come in any order and more than once. One start is one (task, runtime id): later versions of
the task repeat it. A container may run while its task is still pending.
"""

from __future__ import annotations

from dataclasses import replace

from sensor.model.control_plane import (
    ChainPart,
    Cluster,
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
from sensor.model.ecs_facts import EcsFacts, EcsTouch
from sensor.sources.controlplane.aws_reading import tail
from sensor.sources.controlplane.ecs_calls import containers_of
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, rows, table, text, texts
from sensor.sources.controlplane.times import wall

_DEPLOYMENTS = frozenset({"ECS Deployment State Change", "ECS Daemon Deployment State Change"})
_OF_SERVICES = _DEPLOYMENTS | {"ECS Service Action", "ECS Daemon Service Action"}
_NO_START = frozenset(
    {
        "DAEMON_TASK_START_IMPAIRED",
        "SERVICE_TASK_CONFIGURATION_FAILURE",
        "SERVICE_TASK_PLACEMENT_FAILURE",
        "SERVICE_TASK_START_IMPAIRED",
    }
)
"""Service actions that say that tasks do not start (ecs_service_events and managed-daemons-events
of the developer guide).
Others of the same severity are about tasks that run, or about other services."""
_STEADY = frozenset({"SERVICE_STEADY_STATE", "SERVICE_DEPLOYMENT_COMPLETED"})
"""Service actions that say that all tasks run that were asked for."""
_BEFORE_THE_END = frozenset({"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"})


def is_event(value: Json) -> bool:
    """Return whether a JSON object is an event of EventBridge."""
    return "detail-type" in value and "detail" in value


def read(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of an event of the source ``aws.ecs``."""
    kind, detail = text(value, "detail-type") or "", table(value, "detail")
    when = wall(value.get("time"))
    arn = text(detail, "clusterArn")
    named = text(detail, "lastStatus") or text(detail, "eventName")
    request = Request(
        source=RequestSource.AWS,
        id=text(value, "id"),
        action=kind,
        effect=Effect.NONE,
        chain=ChainPart.REPORT,
        outcome=RequestOutcome.SUCCESS,
        reason=text(detail, "stoppedReason") or text(detail, "reason"),
        requested=when,
        cluster=Cluster(
            name=tail(arn),
            id=arn,
            provider="aws",
            account=text(value, "account"),
            region=text(value, "region"),
        ),
        ref=ref,
    )
    filled = ControlRecord(
        standing=Standing.NO,
        request=request,
        key=key(RequestSource.AWS, "event", text(value, "id"), kind, named, when),
    )
    if kind == "ECS Task State Change":
        return _task(filled, detail)
    if kind in _OF_SERVICES:
        return _service(filled, detail, texts(value, "resources"))
    if kind == "ECS Container Instance State Change":
        instance = Workload(kind="ContainerInstance", name=text(detail, "containerInstanceArn"))
        return replace(filled, request=replace(request, workload=instance))
    return filled


def _task(filled: ControlRecord, detail: Json) -> ControlRecord:
    status = text(detail, "lastStatus")
    task = text(detail, "taskArn")
    containers = containers_of(rows(detail, "containers"))
    running = _running(detail, containers)
    request = replace(
        filled.request,
        action=f"ECS Task State Change {status}",
        workload=Workload(
            kind="Task",
            task=task,
            definition=tail(text(detail, "taskDefinitionArn")),
            group=text(detail, "group"),
            started_by=text(detail, "startedBy"),
            node=text(detail, "containerInstanceArn"),
        ),
        containers=containers,
    )
    if running and status in _BEFORE_THE_END:
        started = wall(detail.get("startedAt")) or request.requested
        request = replace(request, effect=Effect.START, requested=started)
        ids = sorted(item.id or "" for item in running)
        observed = "\x1f".join((task or "", *ids))
        return replace(
            filled,
            standing=Standing.OBSERVED,
            request=request,
            observed_key=observed,
            ecs=_facts(detail, task),
        )
    if status == "STOPPED":
        code = text(detail, "stopCode")
        if code == "TaskFailedToStart":
            failed = replace(request, effect=Effect.START, outcome=RequestOutcome.FAILURE)
            return replace(filled, request=replace(failed, reason=code))
        exits = [number(item, "exitCode") for item in rows(detail, "containers")]
        code_ = next((item for item in exits if item is not None), None)
        return replace(filled, request=replace(request, effect=Effect.STOP, code=code_))
    return replace(filled, request=request)


def _facts(detail: Json, task: str | None) -> EcsFacts | None:
    if task is None:
        return None
    return EcsFacts(EcsTouch.TASK, (task,), created=wall(detail.get("createdAt")))


def _running(
    detail: Json, containers: tuple[RequestContainer, ...]
) -> tuple[RequestContainer, ...]:
    states = [text(item, "lastStatus") for item in rows(detail, "containers")]
    return tuple(
        item
        for item, state in zip(containers, states, strict=True)
        if state == "RUNNING" and item.id is not None
    )


def _service(filled: ControlRecord, detail: Json, resources: tuple[str, ...]) -> ControlRecord:
    name, level = text(detail, "eventName") or "", text(detail, "eventType")
    failed = level in {"ERROR", "WARN", "WARNING"}
    deployment = filled.request.action in _DEPLOYMENTS
    daemon = text(detail, "daemonArn")
    about = Workload(kind="Service", service=resources[0] if resources else None)
    if daemon is not None:
        about = Workload(kind="Daemon", name=tail(daemon), resource=daemon)
    effect, standing = Effect.NONE, Standing.NO
    if deployment:
        effect = Effect.ROLLOUT
        standing = Standing.NO if failed else Standing.RELATED
    elif name in _NO_START:
        effect = Effect.START
    request = replace(
        filled.request,
        action=f"{filled.request.action} {name}",
        effect=effect,
        outcome=RequestOutcome.FAILURE if failed else RequestOutcome.SUCCESS,
        workload=about,
    )
    facts = EcsFacts(EcsTouch.STEADY) if name in _STEADY and not failed else None
    return replace(filled, standing=standing, request=request, ecs=facts)

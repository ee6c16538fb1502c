"""CloudTrail's records of calls of AWS, as far as they concern containers of ECS.

A record comes in a log file, through EventBridge, CloudWatch Logs or Lake, and always has the same
``eventID``. Its containers are pending: no record of a request has a container's id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import (
    ActorKind,
    ChainPart,
    Cluster,
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
from sensor.sources.controlplane.aws_identity import actor
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, number, rows, table, text, texts
from sensor.sources.controlplane.kubernetes_objects import digest_of
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from collections.abc import Callable

ECS = "ecs.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a call is to a container start."""

    standing: Standing = Standing.NO
    effect: Effect = Effect.NONE
    workload: Workload | None = None
    containers: tuple[RequestContainer, ...] = ()
    outcome: RequestOutcome | None = None
    """Where the call itself succeeded, and what it asked for did not."""
    reason: str | None = None
    in_cluster: bool = True


def is_record(value: Json) -> bool:
    """Return whether a JSON object is a record of CloudTrail."""
    return "eventSource" in value and "eventName" in value


def read(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of a call."""
    service, name = text(value, "eventSource") or "", text(value, "eventName") or "-"
    asked, answered = table(value, "requestParameters"), table(value, "responseElements")
    judge = _CALLS.get(name) if service == ECS else _OTHERS.get((service, name))
    reading = Reading() if judge is None else judge(asked, answered)
    if service == ECS and judge is None:
        reading = _looked_at(asked)
    who = actor(value)
    error = text(value, "errorCode")
    outcome = RequestOutcome.FAILURE if error else reading.outcome or RequestOutcome.SUCCESS
    address = text(value, "sourceIPAddress")
    seen = (address,) if address is not None and is_address(address) else ()
    event_id, when = text(value, "eventID"), wall(value.get("eventTime"))
    request = Request(
        source=RequestSource.AWS,
        id=event_id,
        action=f"{service.partition('.')[0]}:{name}",
        effect=reading.effect,
        chain=_chain(None if who is None else who.kind),
        outcome=outcome,
        certainty=RequestCertainty.MAY
        if reading.standing is Standing.POSSIBLE
        else RequestCertainty.ASKS,
        reason=error or reading.reason,
        requested=when,
        completed=when,
        actor=who,
        address=seen[0] if seen else None,
        addresses=seen,
        user_agent=text(value, "userAgent"),
        cluster=_cluster(value, asked, answered, named=reading.in_cluster),
        workload=reading.workload,
        containers=reading.containers,
        ref=ref,
    )
    # Lake, EventBridge and the log file give one call the same eventID; two accounts that one call
    # concerns get a record each, and share sharedEventID.
    identity = text(value, "sharedEventID") or event_id
    ids = sorted(item.id or "" for item in reading.containers)
    observed = reading.standing is Standing.OBSERVED and reading.workload is not None
    return ControlRecord(
        standing=reading.standing,
        request=request,
        key=key(RequestSource.AWS, identity, when, service, name),
        observed_key="\x1f".join((reading.workload.task or "", *ids))
        if observed and reading.workload is not None
        else None,
    )


def _chain(kind: ActorKind | None) -> ChainPart:
    if kind is ActorKind.NODE:
        return ChainPart.REPORT
    return ChainPart.STEP if kind is ActorKind.CLOUD_SERVICE else ChainPart.ORIGIN


def _cluster(value: Json, asked: Json, answered: Json, *, named: bool) -> Cluster:
    given = text(asked, "cluster") if named else None
    arn = given if given is not None and given.startswith("arn:") else None
    for item in (answered, table(answered, "service"), table(answered, "task")):
        arn = arn or text(item, "clusterArn")
    for item in rows(answered, "tasks"):
        arn = arn or text(item, "clusterArn")
    return Cluster(
        name=tail(given or (arn if named else None)),
        id=arn,
        provider="aws",
        account=text(value, "recipientAccountId")
        or text(table(value, "userIdentity"), "accountId"),
        region=text(value, "awsRegion"),
    )


def tail(arn: str | None) -> str | None:
    """Return what stands behind the last slash of an ARN."""
    return None if arn is None else arn.rpartition("/")[2] or None


def containers_of(items: list[Json]) -> tuple[RequestContainer, ...]:
    """Return the containers of a task, of a task definition or of a state change."""
    found = []
    for item in items:
        image = text(item, "image")
        found.append(
            RequestContainer(
                name=text(item, "name") or text(item, "containerName"),
                image=image,
                digest=text(item, "imageDigest") or digest_of(image),
                id=text(item, "runtimeId"),
                arn=text(item, "containerArn"),
            )
        )
    return tuple(found)


def _task(asked: Json, task: Json) -> Workload:
    given = text(asked, "task") or (texts(asked, "tasks") or (None,))[0]
    return Workload(
        kind="Task",
        task=text(task, "taskArn") or given,
        definition=tail(text(task, "taskDefinitionArn") or text(asked, "taskDefinition")),
        group=text(task, "group") or text(asked, "group"),
        started_by=text(task, "startedBy") or text(asked, "startedBy"),
        node=text(task, "containerInstanceArn"),
    )


def _run(asked: Json, answered: Json) -> Reading:
    """Failures without an error code are HTTP 200, and no start."""
    tasks, failures = rows(answered, "tasks"), rows(answered, "failures")
    first = tasks[0] if tasks else {}
    outcome = None
    if failures:
        outcome = RequestOutcome.PARTIAL if tasks else RequestOutcome.FAILURE
    return Reading(
        Standing.REQUESTED,
        Effect.START,
        _task(asked, first),
        tuple(c for task in tasks for c in containers_of(rows(task, "containers"))),
        outcome,
        text(failures[0], "reason") if failures else None,
    )


def _service(asked: Json, answered: Json) -> Workload:
    service = table(answered, "service")
    return Workload(
        kind="Service",
        service=text(service, "serviceArn"),
        name=text(service, "serviceName")
        or text(asked, "serviceName")
        or tail(text(asked, "service")),
        definition=tail(text(service, "taskDefinition") or text(asked, "taskDefinition")),
        replicas=_or(number(asked, "desiredCount"), number(service, "desiredCount")),
    )


def _or(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _create_service(asked: Json, answered: Json) -> Reading:
    workload = _service(asked, answered)
    if workload.replicas == 0:
        return Reading(Standing.NO, Effect.CONFIG, workload)
    return Reading(Standing.REQUESTED, Effect.START, workload)


def _update_service(asked: Json, answered: Json) -> Reading:
    workload = _service(asked, answered)
    wanted = number(asked, "desiredCount")
    if wanted == 0:
        return Reading(Standing.NO, Effect.SCALE_DOWN, workload)
    if text(asked, "taskDefinition") is not None:
        return Reading(Standing.REQUESTED, Effect.ROLLOUT, workload)
    if asked.get("forceNewDeployment") is True:
        return Reading(Standing.REQUESTED, Effect.RESTART, workload)
    if wanted is None:
        return Reading(Standing.NO, Effect.CONFIG, workload)
    running = number(table(answered, "service"), "runningCount")
    if running is None:
        return Reading(Standing.POSSIBLE, Effect.SCALE, workload)
    if wanted > running:
        return Reading(Standing.REQUESTED, Effect.SCALE_UP, workload)
    effect = Effect.SCALE_DOWN if wanted < running else Effect.CONFIG
    return Reading(Standing.NO, effect, workload)


def _on_service(standing: Standing, effect: Effect) -> Callable[[Json, Json], Reading]:
    def judge(asked: Json, answered: Json) -> Reading:
        return Reading(standing, effect, _service(asked, answered))

    return judge


def _stop(asked: Json, answered: Json) -> Reading:
    task = table(answered, "task")
    workload = replace(_task(asked, task), node=None)
    return Reading(Standing.NO, Effect.STOP, workload, containers_of(rows(task, "containers")))


def _register(asked: Json, answered: Json) -> Reading:
    definition = table(answered, "taskDefinition")
    named = tail(text(definition, "taskDefinitionArn")) or text(asked, "family")
    given = rows(definition, "containerDefinitions") or rows(asked, "containerDefinitions")
    workload = Workload(kind="TaskDefinition", definition=named)
    return Reading(Standing.NO, Effect.CONFIG, workload, containers_of(given), in_cluster=False)


def _on_cluster(asked: Json, answered: Json) -> Reading:
    named = text(asked, "clusterName") or text(table(answered, "cluster"), "clusterName")
    workload = Workload(kind="Cluster", name=named or tail(text(asked, "cluster")))
    return Reading(Standing.NO, Effect.CONFIG, workload, in_cluster=False)


def _execute(asked: Json, answered: Json) -> Reading:
    named = text(answered, "containerName") or text(asked, "container")
    container = RequestContainer(name=named, arn=text(answered, "containerArn"))
    return Reading(Standing.NO, Effect.EXEC, _task(asked, answered), (container,))


def _submitted(asked: Json, _: Json) -> Reading:
    """The agent's report: the only record that ties a task to a container's id on its host."""
    status = text(asked, "status")
    given = rows(asked, "containers") or [asked]
    named = tuple(c for c in containers_of(given) if c.id is not None or c.name is not None)
    workload = _task(asked, {})
    if status == "RUNNING" and any(c.id is not None for c in named):
        return Reading(Standing.OBSERVED, Effect.START, workload, named)
    effect = Effect.STOP if status == "STOPPED" else Effect.NONE
    return Reading(Standing.NO, effect, workload, named)


def _looked_at(asked: Json) -> Reading:
    """A call of ECS that neither starts nor stops a container."""
    task = _task(asked, {})
    return Reading(workload=task if task.task is not None else None)


def _batch(asked: Json, answered: Json) -> Reading:
    """A job of Batch becomes a task of ECS or a pod of EKS later."""
    name = text(answered, "jobName") or text(asked, "jobName")
    workload = Workload(kind="BatchJob", name=name, resource=text(answered, "jobArn"))
    return Reading(Standing.RELATED, Effect.SCHEDULE, workload, in_cluster=False)


_CALLS: dict[str, Callable[[Json, Json], Reading]] = {
    "RunTask": _run,
    "StartTask": _run,
    "CreateService": _create_service,
    "UpdateService": _update_service,
    "DeleteService": _on_service(Standing.NO, Effect.STOP),
    "CreateTaskSet": _on_service(Standing.REQUESTED, Effect.START),
    "UpdateTaskSet": _on_service(Standing.POSSIBLE, Effect.SCALE),
    "DeleteTaskSet": _on_service(Standing.NO, Effect.STOP),
    "CreateDaemon": _on_service(Standing.REQUESTED, Effect.START),
    "UpdateDaemon": _on_service(Standing.POSSIBLE, Effect.ROLLOUT),
    "DeleteDaemon": _on_service(Standing.NO, Effect.STOP),
    "CreateExpressGatewayService": _on_service(Standing.REQUESTED, Effect.START),
    "UpdateExpressGatewayService": _on_service(Standing.POSSIBLE, Effect.ROLLOUT),
    "DeleteExpressGatewayService": _on_service(Standing.NO, Effect.STOP),
    "StopTask": _stop,
    "RegisterTaskDefinition": _register,
    "CreateCluster": _on_cluster,
    "UpdateCluster": _on_cluster,
    "DeleteCluster": _on_cluster,
    "ExecuteCommand": _execute,
    "SubmitTaskStateChange": _submitted,
    "SubmitContainerStateChange": _submitted,
}
_OTHERS: dict[tuple[str, str], Callable[[Json, Json], Reading]] = {
    ("batch.amazonaws.com", "SubmitJob"): _batch,
}

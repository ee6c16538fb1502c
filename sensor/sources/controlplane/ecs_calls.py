"""Calls of AWS that concern tasks of ECS: what each is to a container start.

A call's containers are pending: no record of a request has a container's id. The agent's own calls
report them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.model.control_plane import (
    Effect,
    RequestContainer,
    RequestOutcome,
    Standing,
    Workload,
)
from sensor.model.ecs_facts import EcsFacts, EcsTouch
from sensor.sources.controlplane import aws_clusters, aws_schedules
from sensor.sources.controlplane.aws_reading import Reading, tail
from sensor.sources.controlplane.aws_schedules import scheduled_by
from sensor.sources.controlplane.json_text import Json, number, rows, table, text, texts
from sensor.sources.controlplane.kubernetes_objects import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

ECS = "ecs.amazonaws.com"
_OF_TASKS = (
    "capacityProviderStrategy",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
"""Parameters of UpdateService that may begin a deployment (its page in the API's reference)."""
_DEPLOYMENT_PARTS = 4
"""Parts of ``arn:…:service-deployment/CLUSTER/SERVICE/ID``."""


def reading(service: str, name: str, asked: Json, answered: Json) -> Reading:
    """Return what a call of a service of AWS is to a container start."""
    judge = _CALLS.get(name) if service == ECS else _OTHERS.get((service, name))
    if judge is not None:
        return judge(asked, answered)
    return _looked_at(asked) if service == ECS else Reading()


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
        facts=EcsFacts(
            EcsTouch.RUN,
            tuple(arn for task in tasks if (arn := text(task, "taskArn")) is not None),
            rule=scheduled_by(text(asked, "startedBy")),
        ),
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
    if table(asked, "deploymentController").get("type") == "EXTERNAL":
        return Reading(Standing.NO, Effect.CONFIG, workload)  # Its task sets start tasks.
    # A daemon has a task for each instance, whatever the count says.
    if workload.replicas == 0 and text(asked, "schedulingStrategy") != "DAEMON":
        return Reading(Standing.NO, Effect.CONFIG, workload)
    return _starting(Effect.START, workload, answered, workload.replicas)


def _starting(
    effect: Effect,
    workload: Workload,
    answered: Json,
    capacity: int | None,
    asks: Standing = Standing.REQUESTED,
) -> Reading:
    """Return the reading of a write of a service that starts so many tasks."""
    facts = EcsFacts(EcsTouch.SERVICE, deployment=_primary(answered), capacity=capacity)
    return Reading(asks, effect, workload, facts=facts)


def _primary(answered: Json) -> str | None:
    """Return the deployment of a service to which its new tasks belong."""
    for one in rows(table(answered, "service"), "deployments"):
        if one.get("status") == "PRIMARY":
            return text(one, "id")
    return None


def _update_service(asked: Json, answered: Json) -> Reading:
    workload = _service(asked, answered)
    wanted = number(asked, "desiredCount")
    if wanted == 0:
        return Reading(Standing.NO, Effect.SCALE_DOWN, workload)
    if text(asked, "taskDefinition") is not None and not _runs_already(answered):
        return _starting(Effect.ROLLOUT, workload, answered, workload.replicas)
    if asked.get("forceNewDeployment") is True:
        return _starting(Effect.RESTART, workload, answered, workload.replicas)
    if _deploys(asked, answered):
        return _starting(Effect.ROLLOUT, workload, answered, workload.replicas, Standing.POSSIBLE)
    if wanted is None:
        return Reading(Standing.NO, Effect.CONFIG, workload)
    running = number(table(answered, "service"), "runningCount")
    if running is None:
        return _starting(Effect.SCALE, workload, answered, None, Standing.POSSIBLE)
    if wanted > running:
        return _starting(Effect.SCALE_UP, workload, answered, wanted - running)
    effect = Effect.SCALE_DOWN if wanted < running else Effect.CONFIG
    return Reading(Standing.NO, effect, workload)


def _runs_already(answered: Json) -> bool:
    """Return whether a service has one deployment, and tasks of it run: none has just begun.

    The console names the task definition in each update, also where it stays what it was.
    """
    deployments = rows(table(answered, "service"), "deployments")
    return len(deployments) == 1 and (number(deployments[0], "runningCount") or 0) > 0


def _deploys(asked: Json, answered: Json) -> bool:
    """Return whether a write changes what tasks are made of: the service may replace them all.

    Where the answer has a single deployment, the write changed nothing of it.
    """
    deployments = rows(table(answered, "service"), "deployments")
    return len(deployments) != 1 and any(asked.get(name) for name in _OF_TASKS)


def _create_task_set(asked: Json, answered: Json) -> Reading:
    workload = _service(asked, answered)
    if number(table(asked, "scale"), "value") == 0:
        return Reading(Standing.NO, Effect.CONFIG, workload)
    facts = EcsFacts(EcsTouch.SERVICE)
    return Reading(Standing.REQUESTED, Effect.START, workload, facts=facts)


def _stop_deployment(asked: Json, _: Json) -> Reading:
    """A deployment that is stopped rolls back, unless it is asked to end where it stands."""
    arn = text(asked, "serviceDeploymentArn")
    parts = (arn or "").split("/")
    name = parts[-2] if len(parts) >= _DEPLOYMENT_PARTS else None
    workload = Workload(kind="Service", name=name, resource=arn)
    if text(asked, "stopType") == "ABORT":
        return Reading(Standing.NO, Effect.CONFIG, workload)
    return Reading(Standing.POSSIBLE, Effect.ROLLOUT, workload, facts=EcsFacts(EcsTouch.SERVICE))


def _daemon(asked: Json, answered: Json) -> Workload:
    """Return a managed daemon: ECS keeps one task of it on each instance."""
    arn = text(answered, "daemonArn") or text(asked, "daemonArn")
    return Workload(
        kind="Daemon",
        name=text(asked, "daemonName") or tail(arn),
        definition=tail(text(asked, "daemonTaskDefinitionArn")),
        resource=arn,
    )


def _on_service(
    standing: Standing, effect: Effect, about: Callable[[Json, Json], Workload] = _service
) -> Callable[[Json, Json], Reading]:
    starts = standing is not Standing.NO
    facts = EcsFacts(EcsTouch.SERVICE) if starts else None

    def judge(asked: Json, answered: Json) -> Reading:
        return Reading(standing, effect, about(asked, answered), facts=facts)

    return judge


def _stop(asked: Json, answered: Json) -> Reading:
    task = table(answered, "task")
    workload = replace(_task(asked, task), node=None)
    return Reading(
        Standing.NO,
        Effect.STOP,
        workload,
        containers_of(rows(task, "containers")),
        facts=EcsFacts(EcsTouch.STOP, () if workload.task is None else (workload.task,)),
    )


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
    facts = EcsFacts(EcsTouch.TASK, () if workload.task is None else (workload.task,))
    if status == "RUNNING" and any(c.id is not None for c in named):
        return Reading(Standing.OBSERVED, Effect.START, workload, named, facts=facts)
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
    "CreateTaskSet": _create_task_set,
    "StopServiceDeployment": _stop_deployment,
    "UpdateTaskSet": _on_service(Standing.POSSIBLE, Effect.SCALE),
    "DeleteTaskSet": _on_service(Standing.NO, Effect.STOP),
    "CreateDaemon": _on_service(Standing.REQUESTED, Effect.START, _daemon),
    "UpdateDaemon": _on_service(Standing.POSSIBLE, Effect.ROLLOUT, _daemon),
    "DeleteDaemon": _on_service(Standing.NO, Effect.STOP, _daemon),
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
    **aws_clusters.CALLS,
    **aws_schedules.CALLS,
}

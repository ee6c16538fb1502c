"""Calls of AWS beside ECS that concern containers: EKS's nodes, and the services of App Runner.

What a cluster of EKS starts stands in its audit log. App Runner's containers have no host of the
account: like Cloud Run's, only the request shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.control_plane import Effect, Standing, Workload
from sensor.sources.controlplane.aws_reading import Reading
from sensor.sources.controlplane.json_text import Json, table, text

if TYPE_CHECKING:
    from collections.abc import Callable

_EKS, _APP_RUNNER = "eks.amazonaws.com", "apprunner.amazonaws.com"
_NODE_GROUP_CALLS = (
    "CreateNodegroup",
    "UpdateNodegroupConfig",
    "UpdateNodegroupVersion",
    "DeleteNodegroup",
    "CreateFargateProfile",
    "DeleteFargateProfile",
)
_CLUSTER_CALLS = ("CreateCluster", "UpdateClusterConfig", "UpdateClusterVersion", "DeleteCluster")
_SERVICE_CALLS = {
    "CreateService": (Standing.REQUESTED, Effect.START),
    "UpdateService": (Standing.POSSIBLE, Effect.ROLLOUT),
    "StartDeployment": (Standing.REQUESTED, Effect.ROLLOUT),
    "ResumeService": (Standing.REQUESTED, Effect.START),
    "PauseService": (Standing.NO, Effect.STOP),
    "DeleteService": (Standing.NO, Effect.STOP),
}


def _nodes(asked: Json, _: Json) -> Reading:
    name = text(asked, "nodegroupName") or text(asked, "fargateProfileName")
    workload = Workload(kind="NodePool", name=name)
    return Reading(Standing.NO, Effect.NODES, workload, in_cluster=False)


def _cluster(asked: Json, answered: Json) -> Reading:
    name = text(asked, "name") or text(table(answered, "cluster"), "name")
    workload = Workload(kind="Cluster", name=name)
    return Reading(Standing.NO, Effect.CLUSTER, workload, in_cluster=False)


def _service(standing: Standing, effect: Effect) -> Callable[[Json, Json], Reading]:
    def judge(asked: Json, answered: Json) -> Reading:
        service = table(answered, "service")
        arn = text(service, "serviceArn") or text(asked, "serviceArn")
        # arn:aws:apprunner:REGION:ACCOUNT:service/NAME/ID
        of_arn = (arn or "").partition(":service/")[2].partition("/")[0] or None
        name = text(service, "serviceName") or text(asked, "serviceName") or of_arn
        workload = Workload(kind="AppRunnerService", name=name, resource=arn)
        return Reading(standing, effect, workload, in_cluster=False)

    return judge


CALLS: dict[tuple[str, str], Callable[[Json, Json], Reading]] = {
    **{(_EKS, name): _nodes for name in _NODE_GROUP_CALLS},
    **{(_EKS, name): _cluster for name in _CLUSTER_CALLS},
    **{(_APP_RUNNER, name): _service(*meaning) for name, meaning in _SERVICE_CALLS.items()},
}

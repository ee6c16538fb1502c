"""Calls of EKS and of App Runner."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import Effect, Standing
from sensor.sources.controlplane.ecs_calls import reading

EKS, APP_RUNNER = "eks.amazonaws.com", "apprunner.amazonaws.com"
SERVICE = {"serviceArn": "arn:aws:apprunner:eu-central-1:1:service/web/0f"}


@pytest.mark.parametrize(
    ("service", "call", "asked", "reads", "name"),
    [
        (EKS, "CreateCluster", {"name": "c"}, (Standing.NO, Effect.CLUSTER), "c"),
        (EKS, "CreateNodegroup", {"nodegroupName": "n"}, (Standing.NO, Effect.NODES), "n"),
        (EKS, "DescribeCluster", {"name": "c"}, (Standing.NO, Effect.NONE), None),
        (APP_RUNNER, "StartDeployment", SERVICE, (Standing.REQUESTED, Effect.ROLLOUT), "web"),
        (APP_RUNNER, "ResumeService", SERVICE, (Standing.REQUESTED, Effect.START), "web"),
        (APP_RUNNER, "UpdateService", SERVICE, (Standing.POSSIBLE, Effect.ROLLOUT), "web"),
        (APP_RUNNER, "PauseService", SERVICE, (Standing.NO, Effect.STOP), "web"),
    ],
)
def test_calls_beside_those_of_ecs(
    service: str, call: str, asked: dict[str, Any], reads: tuple[Standing, Effect], name: str | None
) -> None:
    found = reading(service, call, asked, {})
    assert (found.standing, found.effect) == reads
    assert (None if found.workload is None else found.workload.name) == name

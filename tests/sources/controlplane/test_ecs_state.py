"""What services of ECS report, beside the samples of the corpora."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Effect, RecordRef, RequestOutcome
from sensor.sources.controlplane.ecs_state import read


@pytest.mark.parametrize(
    ("name", "severity", "effect"),
    [
        ("SERVICE_TASK_START_IMPAIRED", "WARN", Effect.START),
        ("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", Effect.START),
        ("SERVICE_TASK_CONFIGURATION_FAILURE", "ERROR", Effect.START),
        ("SERVICE_DISCOVERY_INSTANCE_UNHEALTHY", "WARN", Effect.NONE),
        ("VPC_LATTICE_TARGET_UNHEALTHY", "WARN", Effect.NONE),
        ("SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED", "ERROR", Effect.NONE),
        ("SERVICE_DISCOVERY_OPERATION_THROTTLED", "ERROR", Effect.NONE),
    ],
)
def test_only_what_keeps_tasks_from_starting_is_a_failed_start(
    name: str, severity: str, effect: Effect
) -> None:
    detail = {"eventType": severity, "eventName": name, "clusterArn": "arn:c/prod"}
    event = {"detail-type": "ECS Service Action", "detail": detail, "resources": ["arn:s"]}
    request = read(event, RecordRef("events.jsonl", 1)).request
    assert (request.effect, request.outcome) == (effect, RequestOutcome.FAILURE)


DAEMON = "arn:aws:ecs:us-west-2:111122223333:daemon/prod/logs"


@pytest.mark.parametrize(
    ("kind", "name", "severity", "reads"),
    [
        ("Service Action", "TASK_START_IMPAIRED", "WARNING", ("start", "failure")),
        ("Deployment State Change", "DEPLOYMENT_PENDING", "INFO", ("rollout", "success")),
        ("Deployment State Change", "DEPLOYMENT_ROLLBACK_FAILED", "ERROR", ("rollout", "failure")),
    ],
)
def test_what_a_daemon_reports(kind: str, name: str, severity: str, reads: tuple[str, str]) -> None:
    detail = {"eventType": severity, "eventName": f"DAEMON_{name}", "daemonArn": DAEMON}
    event = {"detail-type": f"ECS Daemon {kind}", "detail": detail, "resources": []}
    request = read(event, RecordRef("events.jsonl", 1)).request
    assert (request.effect, request.outcome) == reads
    assert request.workload is not None
    assert (request.workload.kind, request.workload.name) == ("Daemon", "logs")

"""A reason of an Event means what it says of its own kind of object only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensor.model.control_plane import ControlRecord, Effect, Standing
from sensor.sources.controlplane.reader import Reader, read

CONTAINER = "spec.containers{web}"
NOTHING = (Standing.NO, Effect.NONE)


def event(reason: str, kind: str, component: str | None, field: str | None) -> dict[str, Any]:
    return {
        "kind": "Event",
        "metadata": {"name": "x", "uid": "e-1"},
        "involvedObject": {"kind": kind, "name": "web", "fieldPath": field},
        "reason": reason,
        "source": {} if component is None else {"component": component},
        "lastTimestamp": "2026-03-02T09:15:27Z",
    }


def reading(value: object) -> tuple[Standing, Effect]:
    (one,) = read([json.dumps(value).encode()], Reader("file", whole=True))
    assert isinstance(one, ControlRecord)
    return one.standing, one.request.effect


@pytest.mark.parametrize(
    ("reason", "kind", "component", "field", "reads"),
    [
        ("Started", "Pod", "kubelet", CONTAINER, (Standing.OBSERVED, Effect.START)),
        ("Started", "Pod", None, CONTAINER, (Standing.OBSERVED, Effect.START)),
        ("Started", "Pod", "my-operator", CONTAINER, NOTHING),
        ("Started", "Pod", "kubelet", None, NOTHING),
        ("Started", "TaskRun", "TaskRun", None, NOTHING),
        ("Created", "Certificate", "cert-manager", None, NOTHING),
        ("Created", "Pod", "kubelet", CONTAINER, (Standing.RELATED, Effect.CREATE)),
        ("Failed", "PipelineRun", "PipelineRun", None, NOTHING),
        ("Failed", "Pod", "kubelet", None, (Standing.NO, Effect.START)),
        ("Killing", "Pod", "kubelet", CONTAINER, (Standing.NO, Effect.STOP)),
        ("Scheduled", "Workload", "kueue", None, NOTHING),
        ("Scheduled", "Pod", "my-scheduler", None, (Standing.RELATED, Effect.SCHEDULED)),
        ("SuccessfulCreate", "Job", "job-controller", None, (Standing.RELATED, Effect.START)),
        ("SuccessfulCreate", "PersistentVolumeClaim", "x", None, NOTHING),
        ("ScalingReplicaSet", "Deployment", "x", None, (Standing.RELATED, Effect.SCALE)),
        ("ScalingReplicaSet", "Rollout", "rollouts-controller", None, NOTHING),
    ],
)
def test_a_reason_counts_for_its_kind_of_object(
    reason: str,
    kind: str,
    component: str | None,
    field: str | None,
    reads: tuple[Standing, Effect],
) -> None:
    assert reading(event(reason, kind, component, field)) == reads


def test_the_newer_api_names_the_reporter_apart() -> None:
    newer = {
        "kind": "Event",
        "metadata": {"uid": "e-1"},
        "regarding": {"kind": "Pod", "name": "web", "fieldPath": "spec.initContainers{i}"},
        "reason": "Started",
        "reportingController": "kubelet",
        "reportingInstance": "n1",
        "eventTime": "2026-03-02T09:15:27.000001Z",
    }
    assert reading(newer) == (Standing.OBSERVED, Effect.START)
    assert reading(newer | {"reportingController": "example.com/job"}) == NOTHING

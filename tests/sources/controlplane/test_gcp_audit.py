"""Where the images of Cloud Run stand, in both versions of its API."""

from __future__ import annotations

from typing import Any

import pytest

from sensor.model.control_plane import RecordRef
from sensor.sources.controlplane.gcp_audit import read

POD = {"containers": [{"image": "shop:1"}]}


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("v2.Services.CreateService", {"service": {"template": POD}}),
        ("v1.Services.ReplaceService", {"service": {"spec": {"template": {"spec": POD}}}}),
        ("v2.Jobs.CreateJob", {"job": {"template": {"template": POD}}}),
        (
            "v1.Jobs.CreateJob",
            {"job": {"spec": {"template": {"spec": {"template": {"spec": POD}}}}}},
        ),
        ("v2.WorkerPools.CreateWorkerPool", {"workerPool": {"template": POD}}),
    ],
)
def test_the_image_of_a_service_or_job(method: str, asked: dict[str, Any]) -> None:
    payload = {
        "serviceName": "run.googleapis.com",
        "methodName": f"google.cloud.run.{method}",
        "request": asked,
    }
    one = read({"protoPayload": payload}, RecordRef("run.jsonl", 1))
    assert [container.image for container in one.request.containers] == ["shop:1"]

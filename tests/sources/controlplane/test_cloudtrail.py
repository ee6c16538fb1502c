"""Calls of AWS in each of its partitions."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Effect, RecordRef, Standing
from sensor.sources.controlplane.cloudtrail import is_record, read


@pytest.mark.parametrize("service", ["ecs.amazonaws.com", "ecs.amazonaws.com.cn"])
def test_a_service_has_another_domain_in_china(service: str) -> None:
    record = {"eventSource": service, "eventName": "RunTask", "eventID": "1"}
    assert is_record(record)
    one = read(record, RecordRef("trail.json", 1))
    assert (one.standing, one.request.effect) == (Standing.REQUESTED, Effect.START)
    assert one.request.action == "ecs:RunTask"


@pytest.mark.parametrize("service", ["ecs.example.com", "amazonaws.com.example", None, 1])
def test_what_no_service_of_aws_wrote_is_no_record(service: object) -> None:
    assert not is_record({"eventSource": service, "eventName": "RunTask"})

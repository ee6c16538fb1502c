"""Calls of AWS in each of its partitions."""

from __future__ import annotations

import pytest

from sensor.model.control_plane import Effect, RecordRef, RequestOutcome, Standing
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


@pytest.mark.parametrize(
    ("name", "asked", "answered", "effect"),
    [
        (
            "CreateDaemon",
            {
                "daemonName": "logs",
                "daemonTaskDefinitionArn": "arn:d/logs:3",
                "clusterArn": "a:c/p",
            },
            {"daemonArn": "arn:x:daemon/p/logs"},
            Effect.START,
        ),
        ("UpdateDaemon", {"daemonArn": "arn:x:daemon/p/logs"}, None, Effect.ROLLOUT),
        ("DeleteDaemon", {"daemonArn": "arn:x:daemon/p/logs"}, None, Effect.STOP),
    ],
)
def test_a_daemon_is_named(
    name: str, asked: dict[str, str], answered: dict[str, str] | None, effect: Effect
) -> None:
    record = {
        "eventSource": "ecs.amazonaws.com",
        "eventName": name,
        "requestParameters": asked,
        "responseElements": answered,
    }
    request = read(record, RecordRef("trail.json", 1)).request
    assert request.effect is effect
    assert request.workload is not None
    assert (request.workload.kind, request.workload.name) == ("Daemon", "logs")
    if answered is not None:
        assert request.workload.definition == "logs:3"
        assert request.cluster is not None
        assert request.cluster.name == "p"


def test_parameters_and_answers_may_be_texts_of_json() -> None:
    record = {
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "requestParameters": '{"cluster": "prod"}',
        "responseElements": '{"tasks": [{"taskArn": "arn:t"}]}',
    }
    request = read(record, RecordRef("trail.json", 1)).request
    assert request.workload is not None
    assert request.workload.task == "arn:t"


def test_an_error_without_a_code_is_a_failure() -> None:
    record = {
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "errorMessage": "User is not authorized",
    }
    assert read(record, RecordRef("trail.json", 1)).request.outcome is RequestOutcome.FAILURE

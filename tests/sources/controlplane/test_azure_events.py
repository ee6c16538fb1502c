"""What Event Grid pushes about an operation reads as the Activity Log's records of it do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sensor.correlate.request_events import RequestEvents
from sensor.model.control_plane import (
    ActorKind,
    ControlRecord,
    Effect,
    RequestOutcome,
    RequestSource,
    Standing,
)
from sensor.sources.controlplane.reader import Reader, read
from sensor.sources.controlplane.times import wall

Json = dict[str, Any]
GROUP = (
    "/subscriptions/0f0f/resourceGroups/rg-shop/providers/"
    "Microsoft.ContainerInstance/containerGroups/payments"
)
CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
START = "Microsoft.ContainerInstance/containerGroups/start/action"
WHEN = "2026-03-02T10:00:58.2Z"
DATA: Json = {
    "authorization": {"scope": GROUP, "action": START, "evidence": {"role": "Contributor"}},
    "claims": {
        f"{CLAIMS}/upn": "alice@contoso.example",
        "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid-1",
        "appid": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
    },
    "correlationId": "4a1d3f9e",
    "httpRequest": {"clientIpAddress": "203.0.113.9", "method": "POST"},
    "resourceProvider": "Microsoft.ContainerInstance",
    "resourceUri": GROUP,
    "operationName": START,
    "status": "Succeeded",
    "subscriptionId": "0f0f",
}
BLOCKS = ("authorization", "claims", "httpRequest")


def event_grid(kind: str = "ResourceActionSuccess", data: Json = DATA) -> Json:
    return {
        "id": "e1",
        "eventType": f"Microsoft.Resources.{kind}",
        "subject": GROUP,
        "eventTime": WHEN,
        "data": data,
        "dataVersion": "2",
    }


def cloud_event(kind: str = "ResourceActionSuccess", data: Json = DATA) -> Json:
    return {
        "id": "e1",
        "type": f"Microsoft.Resources.{kind}",
        "source": "/subscriptions/0f0f",
        "subject": GROUP,
        "time": WHEN,
        "data": data,
        "specversion": "1.0",
    }


def record(value: object) -> ControlRecord:
    (found,) = read([json.dumps(value).encode()], Reader("push", whole=True))
    assert isinstance(found, ControlRecord)
    return found


@pytest.mark.parametrize("push", [event_grid(), cloud_event(), [event_grid()]])
def test_a_start_that_event_grid_pushes_has_its_caller_time_and_outcome(push: object) -> None:
    found = record(push)
    request = found.request
    assert (found.standing, request.effect) == (Standing.REQUESTED, Effect.START)
    assert (request.source, request.outcome) == (RequestSource.AZURE, RequestOutcome.SUCCESS)
    assert request.requested == wall(WHEN)
    assert request.actor is not None
    assert (request.actor.name, request.actor.kind) == ("alice@contoso.example", ActorKind.USER)
    assert request.actor.id == "oid-1"
    assert request.address == "203.0.113.9"
    assert request.workload is not None
    assert (request.workload.kind, request.workload.name) == ("ContainerGroup", "payments")
    assert request.workload.namespace == "rg-shop"


def test_blocks_that_are_texts_of_json_read_alike() -> None:
    older = DATA | {name: json.dumps(DATA[name]) for name in BLOCKS}
    assert record(event_grid(data=older)).request == record(event_grid()).request


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("ResourceWriteSuccess", RequestOutcome.SUCCESS),
        ("ResourceWriteFailure", RequestOutcome.FAILURE),
        ("ResourceActionCancel", RequestOutcome.FAILURE),
    ],
)
def test_the_type_of_the_event_says_the_outcome(kind: str, outcome: RequestOutcome) -> None:
    data = {name: value for name, value in DATA.items() if name != "status"}
    assert record(cloud_event(kind, data)).request.outcome is outcome


def test_it_folds_with_the_activity_log() -> None:
    begun = {
        "time": "2026-03-02T10:00:03.1Z",
        "resourceId": GROUP.upper(),
        "operationName": START.upper(),
        "resultType": "Start",
        "resultSignature": "Started.",
        "correlationId": DATA["correlationId"],
        "callerIpAddress": "203.0.113.9",
        "identity": {"claims": DATA["claims"], "authorization": DATA["authorization"]},
    }
    made = RequestEvents()
    events = [one for value in (begun, event_grid()) for one in made.feed(record(value), 1 << 62)]
    assert len({one.id for one in events}) == 1
    last = events[-1].request
    assert last is not None
    assert last.outcome is RequestOutcome.SUCCESS
    assert (last.requested, last.completed) == (wall("2026-03-02T10:00:03.1Z"), wall(WHEN))


def test_an_event_about_another_resource_concerns_no_container() -> None:
    stored = DATA | {"operationName": "Microsoft.Storage/storageAccounts/write"}
    found = record(event_grid("ResourceWriteSuccess", stored))
    assert (found.standing, found.request.effect) == (Standing.NO, Effect.NONE)


def test_a_missing_or_odd_block_is_unknown() -> None:
    odds: list[Any] = [None, 7, "x", [], "{"]
    for odd in odds:
        found = record(event_grid(data=DATA | dict.fromkeys(BLOCKS, odd)))
        assert (found.request.actor, found.request.address) == (None, None)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("In Progress", RequestOutcome.ACCEPTED),
        ("InProgress", RequestOutcome.ACCEPTED),
        ("Cancel", RequestOutcome.FAILURE),
        ("Cancelled", RequestOutcome.FAILURE),
        ("Canceled", RequestOutcome.FAILURE),
    ],
)
def test_a_word_of_the_activity_log_says_the_outcome(word: str, outcome: RequestOutcome) -> None:
    portal = {
        "operationName": {"value": "Microsoft.ContainerService/managedClusters/runCommand/action"},
        "status": {"value": word},
        "correlationId": "c",
        "eventTimestamp": "2026-03-02T09:15:27Z",
    }
    (one,) = read([json.dumps(portal).encode()], Reader("file", whole=True))
    assert isinstance(one, ControlRecord)
    assert one.request.outcome is outcome
    # A command that is run in a cluster of AKS runs in a pod of its own.
    assert (one.standing, one.request.effect) == (Standing.REQUESTED, Effect.START)

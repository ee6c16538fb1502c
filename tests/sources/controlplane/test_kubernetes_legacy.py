"""Audit events as text: who, what and with which outcome, without bodies and addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.model.control_plane import (
    ActorKind,
    ControlRecord,
    Effect,
    RequestOutcome,
    Standing,
)
from sensor.sources.controlplane.reader import Reader, read
from sensor.sources.controlplane.times import wall

TIME = "2026-03-02T09:15:27.123456789Z"


def line(**parts: str) -> str:
    """Return a line as ``audit.EventString`` of the API server formats it."""
    values = {
        "id": "3f0c8a5e-1",
        "stage": "ResponseComplete",
        "ip": "198.51.100.7",
        "method": "create",
        "user": "alice",
        "groups": r"\"shop-admins\",\"system:authenticated\"",
        "as": "<self>",
        "asgroups": "<lookup>",
        "user-agent": "kubectl/v1.36.0",
        "namespace": "shop",
        "uri": "/api/v1/namespaces/shop/pods?fieldManager=kubectl-run",
        "response": "201",
        **{name.replace("_", "-"): value for name, value in parts.items()},
    }
    return f"{TIME} AUDIT: " + " ".join(f'{name}="{value}"' for name, value in values.items())


def record(text: str) -> ControlRecord:
    (found,) = read([text.encode() + b"\n"], Reader("audit.log", whole=True))
    assert isinstance(found, ControlRecord)
    return found


def test_a_create_of_a_pod_is_a_request_of_its_user() -> None:
    found = record(line())
    request = found.request
    assert (found.standing, request.effect) == (Standing.REQUESTED, Effect.START)
    assert (request.action, request.outcome) == ("create pods", RequestOutcome.SUCCESS)
    assert request.requested == wall(TIME)
    assert request.actor is not None
    assert (request.actor.name, request.actor.kind) == ("alice", ActorKind.USER)
    assert request.actor.groups == ("shop-admins", "system:authenticated")
    assert request.actor.impersonated is None
    assert request.workload is not None
    assert (request.workload.kind, request.workload.namespace) == ("Pod", "shop")
    assert request.user_agent == "kubectl/v1.36.0"


def test_the_address_is_a_claim_and_not_taken() -> None:
    assert (record(line()).request.address, record(line()).request.addresses) == (None, ())


@pytest.mark.parametrize(
    ("parts", "standing", "effect"),
    [
        ({"method": "get", "response": "200"}, Standing.NO, Effect.NONE),
        ({"uri": "/api/v1/namespaces/shop/pods?dryRun=All"}, Standing.NO, Effect.DRY_RUN),
        ({"stage": "RequestReceived", "response": "<deferred>"}, Standing.NO, None),
        (
            {"uri": "/api/v1/namespaces/shop/pods/web-1/eviction"},
            Standing.RELATED,
            Effect.STOP,
        ),
        (
            {"method": "patch", "uri": "/apis/apps/v1/namespaces/shop/deployments/web/scale"},
            Standing.POSSIBLE,
            Effect.SCALE,
        ),
        ({"uri": "/api/v1/namespaces/shop/%70ods"}, Standing.REQUESTED, Effect.START),
        ({"uri": "/api/v1/namespaces/shop"}, Standing.NO, Effect.NONE),
        ({"uri": "/healthz", "method": "get"}, Standing.NO, Effect.NONE),
    ],
)
def test_what_a_call_does_stands_in_its_uri(
    parts: dict[str, str], standing: Standing, effect: Effect | None
) -> None:
    found = record(line(**parts))
    assert found.standing is standing
    assert effect is None or found.request.effect is effect


def test_a_refused_call_is_a_failure() -> None:
    found = record(line(response="403")).request
    assert (found.outcome, found.code) == (RequestOutcome.FAILURE, 403)


def test_who_acted_as_another_is_the_actor() -> None:
    actor = record(line(**{"as": "carol"})).request.actor
    assert actor is not None
    assert (actor.name, actor.impersonated) == ("alice", "carol")


def test_a_client_cannot_write_a_field_of_its_own() -> None:
    agent = r"curl\" user=\"admin\" uri=\"/healthz"
    found = record(line(user_agent=agent)).request
    assert found.actor is not None
    assert (found.actor.name, found.action) == ("alice", "create pods")


def test_lines_of_the_json_format_may_stand_beside_it() -> None:
    event = b'{"kind":"Event","auditID":"1","stage":"ResponseComplete","verb":"get"}\n'
    found = read([line().encode() + b"\n" + event], Reader("audit.log", whole=True))
    assert [isinstance(one, ControlRecord) for one in found] == [True, True]


@given(st.text(alphabet='ab"\\= <>{}[]/%:', max_size=80))
def test_any_text_behind_the_head_is_read_to_its_end(text: str) -> None:
    reader = Reader("audit.log", whole=True)
    list(read([f'{TIME} AUDIT: id="1" {text}\n'.encode()], reader))
    assert reader.counts.records + reader.counts.bad >= 1

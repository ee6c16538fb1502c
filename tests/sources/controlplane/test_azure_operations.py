"""Operations of Azure beside those of the corpora: fleets of container groups."""

from __future__ import annotations

import json

import pytest

from sensor.model.control_plane import ActorKind, ControlRecord, Effect, Standing
from sensor.sources.controlplane.azure_operations import BY_CAPITALS
from sensor.sources.controlplane.reader import Reader, read

FLEET = (
    "/subscriptions/1/resourceGroups/rg-shop/providers/Microsoft.ContainerInstance/NGroups/workers"
)


@pytest.mark.parametrize(
    ("operation", "standing", "effect"),
    [
        ("write", Standing.POSSIBLE, Effect.ROLLOUT),
        ("start/action", Standing.REQUESTED, Effect.START),
        ("restart/action", Standing.REQUESTED, Effect.RESTART),
        ("stop/action", Standing.NO, Effect.STOP),
        ("delete", Standing.NO, Effect.STOP),
        ("read", Standing.NO, Effect.NONE),
    ],
)
def test_a_fleet_of_groups_starts_as_a_group_does(
    operation: str, standing: Standing, effect: Effect
) -> None:
    value = {
        "operationName": f"MICROSOFT.CONTAINERINSTANCE/NGROUPS/{operation.upper()}",
        "resourceId": FLEET.upper(),
        "correlationId": "c",
        "resultType": "Success",
        "properties": {"entity": FLEET},
    }
    (one,) = read([json.dumps(value).encode()], Reader("file", whole=True))
    assert isinstance(one, ControlRecord)
    assert (one.standing, one.request.effect) == (standing, effect)
    assert one.request.workload is not None
    assert (one.request.workload.kind, one.request.workload.name) == ("NGroup", "workers")


def activity(**parts: object) -> ControlRecord:
    value = {
        "operationName": {"value": "Microsoft.ContainerInstance/containerGroups/start/action"},
        "resourceId": "/subscriptions/1/x",
        "correlationId": "c",
        "status": {"value": "Succeeded"},
        **parts,
    }
    (one,) = read([json.dumps(value).encode()], Reader("file", whole=True))
    assert isinstance(one, ControlRecord)
    return one


@pytest.mark.parametrize(
    "word", ["NoContent", "204", "No Content (HTTP Status Code: 204)", "nocontent"]
)
def test_a_start_of_a_group_that_runs_starts_nothing(word: str) -> None:
    assert activity(subStatus={"value": word}).request.effect is Effect.NONE


APP = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@pytest.mark.parametrize(
    ("caller", "claims", "kind"),
    [
        ("alice@example.com", {}, ActorKind.USER),
        (APP, {}, ActorKind.SERVICE_ACCOUNT),
        (APP, {"appid": APP}, ActorKind.SERVICE_ACCOUNT),
        (None, {"name": "Alice", "appid": APP}, ActorKind.USER),
        (None, {"name": "Alice", "appid": APP, "idtyp": "app"}, ActorKind.SERVICE_ACCOUNT),
    ],
    ids=["person", "id", "application", "guest with a client application", "said by the token"],
)
def test_a_persons_token_names_an_application_too(
    caller: str | None, claims: dict[str, str], kind: ActorKind
) -> None:
    actor = activity(caller=caller, claims=claims).request.actor
    assert actor is not None
    assert actor.kind is kind


def test_an_operation_is_found_by_its_capitals() -> None:
    name = "Microsoft.ContainerInstance/containerGroups/start/action"
    assert BY_CAPITALS[name.upper()] == (name, (Standing.REQUESTED, Effect.START))

"""Operations of Azure beside those of the corpora: fleets of container groups."""

from __future__ import annotations

import json

import pytest

from sensor.model.control_plane import ControlRecord, Effect, Standing
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


def test_an_operation_is_found_by_its_capitals() -> None:
    name = "Microsoft.ContainerInstance/containerGroups/start/action"
    assert BY_CAPITALS[name.upper()] == (name, (Standing.REQUESTED, Effect.START))

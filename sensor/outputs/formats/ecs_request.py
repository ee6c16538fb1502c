"""Requests of control planes in the fields of ECS: user, source, cloud, orchestrator, container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.outputs.formats.image import repository_of, tag_of

if TYPE_CHECKING:
    from sensor.outputs.formats.reading import Block


def user(request: Block) -> dict[str, Any]:
    """Return who asked: the account that did, and as ``effective`` whom it acted as."""
    actor = request.block("actor")
    return {
        "name": actor.text("name"),
        "id": actor.text("id"),
        "effective": {"name": actor.text("impersonated")},
    }


def orchestrator(request: Block) -> dict[str, Any]:
    """Return what the request is about."""
    workload, cluster = request.block("workload"), request.block("cluster")
    kind = workload.text("kind")
    return {
        "type": request.text("source"),
        "namespace": workload.text("namespace"),
        "cluster": {"name": cluster.text("name"), "id": cluster.text("id")},
        "resource": {
            "type": None if kind is None else kind.lower(),
            "name": workload.text("name"),
            "id": workload.text("uid")
            or workload.text("task")
            or workload.text("service")
            or workload.text("resource"),
            "parent": {"type": workload.block("owner").text("kind")},
        },
    }


def parts(request: Block) -> dict[str, Any]:
    """Return source, client and cloud; of the containers, ECS has a place for one only."""
    if not request:
        return {}
    cluster, containers = request.block("cluster"), request.blocks("containers")
    fields: dict[str, Any] = {
        "source": {"ip": request.text("address")},
        "user_agent": {"original": request.text("user_agent")},
        "cloud": {
            "provider": cluster.text("provider"),
            "account": {"id": cluster.text("account")},
            "region": cluster.text("region"),
        },
    }
    if len(containers) == 1:
        image = containers[0].text("image")
        tag = tag_of(image)
        fields["container"] = {
            "id": containers[0].text("id"),
            "name": containers[0].text("name"),
            "image": {
                "name": None if image is None else repository_of(image),
                "tag": None if tag is None else [tag],
            },
        }
    return fields

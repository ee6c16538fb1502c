"""The parts of the event document that control planes fill: ``request``, ``requested_by``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.model.control_plane import (
        Actor,
        ChainStep,
        Cluster,
        Owner,
        RecordRef,
        Request,
        RequestContainer,
        RequestedBy,
        Workload,
    )

Document = dict[str, object]


def request_block(request: Request) -> Document:
    """Return the block ``request``."""
    return {
        "source": request.source,
        "id": request.id,
        "action": request.action,
        "effect": request.effect,
        "certainty": request.certainty,
        "chain": request.chain,
        "outcome": request.outcome,
        "code": request.code,
        "reason": request.reason,
        "requested": rfc3339(request.requested),
        "completed": rfc3339(request.completed),
        "actor": None if request.actor is None else _actor(request.actor),
        "address": request.address,
        "addresses": request.addresses,
        "user_agent": request.user_agent,
        "cluster": None if request.cluster is None else _cluster(request.cluster),
        "workload": None if request.workload is None else _workload(request.workload),
        "containers": [_container(container) for container in request.containers],
        "truncated": request.truncated,
        "ref": _ref(request.ref),
    }


def _actor(actor: Actor) -> Document:
    return {
        "name": actor.name,
        "kind": actor.kind,
        "id": actor.id,
        "groups": actor.groups,
        "impersonated": actor.impersonated,
        "on_behalf_of": actor.on_behalf_of,
        "role": actor.role,
        "session": actor.session,
        "source_identity": actor.source_identity,
        "service": actor.service,
        "cloud_principal": actor.cloud_principal,
        "pod": actor.pod,
        "pod_uid": actor.pod_uid,
        "node": actor.node,
    }


def _cluster(cluster: Cluster) -> Document:
    return {
        "name": cluster.name,
        "id": cluster.id,
        "provider": cluster.provider,
        "account": cluster.account,
        "region": cluster.region,
    }


def _workload(workload: Workload) -> Document:
    return {
        "kind": workload.kind,
        "namespace": workload.namespace,
        "name": workload.name,
        "uid": workload.uid,
        "owner": owner_block(workload.owner),
        "replicas": workload.replicas,
        "definition": workload.definition,
        "group": workload.group,
        "task": workload.task,
        "service": workload.service,
        "started_by": workload.started_by,
        "resource": workload.resource,
        "node": workload.node,
        "node_uid": workload.node_uid,
        "generate_name": workload.generate_name,
        "sandbox": workload.sandbox,
        "attempt": workload.attempt,
    }


def owner_block(owner: Owner | None) -> Document | None:
    """Return an object's owner."""
    if owner is None:
        return None
    return {"kind": owner.kind, "name": owner.name, "uid": owner.uid}


def _container(container: RequestContainer) -> Document:
    return {
        "name": container.name,
        "image": container.image,
        "digest": container.digest,
        "id": container.id,
        "role": container.role,
        "arn": container.arn,
        "started": rfc3339(container.started),
        "restart_count": container.restart_count,
    }


def _ref(ref: RecordRef | None) -> Document | None:
    return None if ref is None else {"file": ref.file, "line": ref.line, "item": ref.item}


def requested_by_block(requested: RequestedBy | None) -> Document | None:
    """Return the block ``orchestrator.requested_by``."""
    if requested is None:
        return None
    return {
        "actor": requested.actor,
        "kind": requested.kind,
        "confidence": requested.confidence,
        "impersonated": requested.impersonated,
        "request_id": requested.request_id,
        "effect": requested.effect,
        "time": rfc3339(requested.time),
        "pod_uid": requested.pod_uid,
        "candidates": requested.candidates,
        "chain": [_step(step) for step in requested.chain],
    }


def _step(step: ChainStep) -> Document:
    return {
        "action": step.action,
        "actor": step.actor,
        "kind": step.kind,
        "workload": step.workload,
        "request_id": step.request_id,
        "time": rfc3339(step.time),
        "ref": _ref(step.ref),
    }

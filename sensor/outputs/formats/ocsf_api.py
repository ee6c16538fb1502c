"""Requests of control planes as API Activity (6003) of OCSF 1.8: actor, api, source, resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.model.control_plane import RequestOutcome
from sensor.model.vocabulary import EventType
from sensor.outputs.formats.reading import NS_PER_MS, wall_of

if TYPE_CHECKING:
    from sensor.outputs.formats.reading import Block, EventReading

API_ACTIVITY = 6003
CREATE, UPDATE, DELETE, OTHER = 1, 3, 4, 99
TYPES = frozenset(
    {
        EventType.START_REQUESTED,
        EventType.START_REPORTED,
        EventType.STOP_REQUESTED,
        EventType.START_EXPLAINED,
    }
)
_CREATES = frozenset({"start", "schedule", "create", "ephemeral", "static_pod"})
_USER_TYPES = {
    "user": (1, "User"),
    "service_account": (4, "Service"),
    "node": (3, "System"),
    "control_plane": (3, "System"),
    "cloud_service": (4, "Service"),
    "anonymous": (0, "Unknown"),
}
_STATUS = {
    RequestOutcome.SUCCESS.value: (1, "Success"),
    RequestOutcome.FAILURE.value: (2, "Failure"),
    RequestOutcome.PARTIAL.value: (99, "Other"),
    RequestOutcome.ACCEPTED.value: (99, "Other"),
    RequestOutcome.UNKNOWN.value: (0, "Unknown"),
}


def activity(event: EventReading) -> tuple[int, str]:
    """Return the activity of a request; any other event is Other, named."""
    if event.type is EventType.START_REPORTED:
        return OTHER, "Report"
    if event.type is EventType.START_EXPLAINED:
        return OTHER, "Explain"
    if event.type is EventType.STOP_REQUESTED:
        return DELETE, "Delete"
    if event.root.block("request").text("effect") in _CREATES:
        return CREATE, "Create"
    return UPDATE, "Update"


def api_activity(event: EventReading) -> dict[str, Any]:
    """Return what the class API Activity has beyond every event's parts."""
    if event.type is EventType.START_EXPLAINED:
        return _explained(event)
    request = event.root.block("request")
    source, actor = request.text("source") or "unknown", request.block("actor")
    outcome = _STATUS.get(request.text("outcome") or "")
    cluster, reason = request.block("cluster"), request.text("reason")
    provider = cluster.text("provider")
    code, start, end = request.number("code"), request.text("requested"), request.text("completed")
    fields: dict[str, Any] = {
        "actor": {"app_name": source, "user": _user(actor), "session": _session(actor)}
        if actor
        else {"app_name": source},
        "api": {
            "operation": request.text("action") or "unknown",
            "service": {"name": source},
            "request": {"uid": request.text("id")} if request.text("id") else None,
            "response": {"code": code, "error": reason} if code is not None or reason else None,
        },
        "src_endpoint": _source(request),
        "resources": _resources(request),
        "http_request": {"user_agent": request.text("user_agent")},
        "start_time": None if start is None else wall_of(start) // NS_PER_MS,
        "end_time": None if end is None else wall_of(end) // NS_PER_MS,
        "status_detail": reason,
        "cloud": None
        if provider is None
        else {
            "provider": provider,
            "region": cluster.text("region"),
            "account": {"uid": cluster.text("account")} if cluster.text("account") else None,
        },
    }
    if outcome is not None:
        fields["status_id"], fields["status"] = outcome
    return fields


def profiles(event: EventReading) -> list[str]:
    """Return the profiles that the event uses."""
    clouded = event.root.block("request").block("cluster").text("provider") is not None
    return (["cloud"] if clouded else []) + (["host"] if event.host else [])


def _explained(event: EventReading) -> dict[str, Any]:
    orchestrator = event.root.block("orchestrator")
    requested = orchestrator.block("requested_by")
    chain = requested.blocks("chain")
    asked = chain[-1].text("action") if chain else None
    name, uid = (
        orchestrator.text("pod"),
        orchestrator.text("pod_uid") or orchestrator.text("task_arn"),
    )
    return {
        "actor": {
            "app_name": orchestrator.text("type") or "unknown",
            "user": _user(requested, "actor") if requested.text("actor") else None,
        },
        "api": {
            "operation": asked or "unknown",
            "request": {"uid": requested.text("request_id")}
            if requested.text("request_id")
            else None,
        },
        "src_endpoint": {"svc_name": orchestrator.text("type") or "unknown"},
        "resources": [
            {"type": "Pod", "name": name, "uid": uid, "namespace": orchestrator.text("namespace")}
        ]
        if name or uid
        else [],
    }


def _user(actor: Block, key: str = "name") -> dict[str, Any]:
    type_id, type_ = _USER_TYPES.get(actor.text("kind") or "", (0, "Unknown"))
    groups = actor.texts("groups") if key == "name" else []
    return {
        "name": actor.text(key),
        "uid": actor.text("id") if key == "name" else None,
        "type_id": type_id,
        "type": type_,
        "groups": [{"name": group} for group in groups],
    }


def _session(actor: Block) -> dict[str, Any] | None:
    session = actor.text("session")
    return None if session is None else {"uid": session, "issuer": actor.text("role")}


def _source(request: Block) -> dict[str, Any]:
    """Return where the request came from; the class wants a source where there is none, too."""
    address = request.text("address")
    if address is not None:
        return {"ip": address}
    return {"svc_name": request.block("actor").text("service") or request.text("source")}


def _resources(request: Block) -> list[dict[str, Any]]:
    workload = request.block("workload")
    listed = []
    if workload:
        uid = (
            workload.text("uid")
            or workload.text("task")
            or workload.text("service")
            or workload.text("resource")
        )
        name = workload.text("name") or workload.text("definition")
        if uid or name:
            listed.append(
                {
                    "type": workload.text("kind"),
                    "name": name,
                    "uid": uid,
                    "namespace": workload.text("namespace"),
                }
            )
    for container in request.blocks("containers"):
        uid = container.text("id") or container.text("arn")
        if uid or container.text("name"):
            listed.append({"type": "Container", "name": container.text("name"), "uid": uid})
    return listed

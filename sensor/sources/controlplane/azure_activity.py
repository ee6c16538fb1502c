"""Azure's Activity Log in its four spellings, as far as it concerns containers.

One operation leaves two to four records with one correlation id, which all operations of one
deployment share: Started, Accepted, then Succeeded or Failed. They fold by correlation id,
operation and resource. ``container`` in Microsoft.Storage is a folder, so the provider decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import (
    Actor,
    ActorKind,
    ChainPart,
    Cluster,
    ControlRecord,
    Effect,
    RecordRef,
    Request,
    RequestCertainty,
    RequestContainer,
    RequestOutcome,
    RequestSource,
    Standing,
    Workload,
)
from sensor.sources.controlplane.addresses import is_address
from sensor.sources.controlplane.azure_operations import BY_CAPITALS, KINDS, NONE
from sensor.sources.controlplane.identity import key
from sensor.sources.controlplane.json_text import Json, nested, rows, table, text
from sensor.sources.controlplane.kubernetes_objects import digest_of
from sensor.sources.controlplane.times import wall

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"

_OUTCOMES = {
    "start": RequestOutcome.UNKNOWN,
    "started": RequestOutcome.UNKNOWN,
    "accept": RequestOutcome.ACCEPTED,
    "accepted": RequestOutcome.ACCEPTED,
    "inprogress": RequestOutcome.ACCEPTED,
    "success": RequestOutcome.SUCCESS,
    "succeeded": RequestOutcome.SUCCESS,
    "failure": RequestOutcome.FAILURE,
    "failed": RequestOutcome.FAILURE,
    "failure.": RequestOutcome.FAILURE,
    "cancel": RequestOutcome.FAILURE,
    "canceled": RequestOutcome.FAILURE,
    "cancelled": RequestOutcome.FAILURE,
}
_RAN_ALREADY = frozenset({"nocontent", "204"})


@dataclass(frozen=True, slots=True)
class Activity:
    """One record, whatever its spelling."""

    operation: str | None
    status: str | None
    sub_status: str | None
    when: str | None
    resource: str | None
    correlation: str | None
    event_id: str | None
    caller: str | None
    address: str | None
    claims: Json
    authorization: Json
    properties: Json
    operation_id: str | None = None


def is_activity(value: Json) -> bool:
    """Return whether a JSON object is a record of the Activity Log."""
    if "OperationNameValue" in value:
        return True
    if not ("correlationId" in value or "correlation_id" in value):
        return False
    return "operationName" in value or "operation_name" in value


def read(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of an operation, or of one step of it."""
    if "OperationNameValue" in value:
        activity = _of_the_table(value)
    elif "operation_name" in value or type(value.get("operationName")) is dict:
        activity = _of_the_portal(value)
    else:
        activity = _of_the_event_hub(value)
    return record_of(activity, ref)


def _of_the_portal(value: Json) -> Activity:
    """REST and portal spell in camel case, the Python SDK in snake case."""

    def get(name: str) -> object:
        return value.get(name, value.get(_snake(name)))

    def word(name: str) -> str | None:
        inner = get(name)
        return text(inner, "value") if isinstance(inner, dict) else text({"": inner}, "")

    request = get("httpRequest")
    return Activity(
        operation=word("operationName"),
        status=word("status"),
        sub_status=word("subStatus"),
        when=word("eventTimestamp"),
        resource=word("resourceId"),
        correlation=word("correlationId"),
        event_id=word("eventDataId"),
        caller=word("caller"),
        address=text(request, "clientIpAddress") or text(request, "client_ip_address"),
        claims=table(value, "claims"),
        authorization=table(value, "authorization"),
        properties=table(value, "properties"),
        operation_id=word("operationId"),
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _of_the_event_hub(value: Json) -> Activity:
    identity = table(value, "identity")
    return Activity(
        operation=text(value, "operationName"),
        status=text(value, "resultType"),
        sub_status=(text(value, "resultSignature") or "").partition(".")[2] or None,
        when=text(value, "time"),
        resource=text(value, "resourceId"),
        correlation=text(value, "correlationId"),
        event_id=text(table(value, "properties"), "eventDataId"),
        caller=None,
        address=text(value, "callerIpAddress"),
        claims=table(identity, "claims"),
        authorization=table(identity, "authorization"),
        properties=nested(value, "properties"),
    )


def _of_the_table(value: Json) -> Activity:
    return Activity(
        operation=text(value, "OperationNameValue"),
        status=text(value, "ActivityStatusValue"),
        sub_status=text(value, "ActivitySubstatusValue"),
        when=text(value, "TimeGenerated"),
        resource=text(value, "_ResourceId") or text(value, "ResourceId"),
        correlation=text(value, "CorrelationId"),
        event_id=text(value, "EventDataId"),
        caller=text(value, "Caller"),
        address=text(value, "CallerIpAddress"),
        claims=nested(value, "Claims_d") or nested(value, "Claims"),
        authorization=nested(value, "Authorization_d") or nested(value, "Authorization"),
        properties=nested(value, "Properties_d") or nested(value, "Properties"),
        operation_id=text(value, "OperationId"),
    )


def record_of(activity: Activity, ref: RecordRef) -> ControlRecord:
    """Return the record of one step of an operation, whatever it was written in."""
    named = activity.operation or "-"
    action, (standing, effect) = BY_CAPITALS.get(named.upper(), (None, NONE))
    known = action is not None
    if action is None:
        action = _spelled(named, activity)
    outcome = _OUTCOMES.get(
        (activity.status or "").lower().replace(" ", ""), RequestOutcome.UNKNOWN
    )
    if outcome is RequestOutcome.SUCCESS and _ran_already(activity):
        standing, effect = Standing.NO, Effect.NONE
    resource = (activity.resource or "").lower() or None
    when = wall(activity.when)
    address = activity.address if is_address(activity.address) else None
    request = Request(
        source=RequestSource.AZURE,
        id=activity.correlation,
        action=action,
        effect=effect,
        chain=ChainPart.ORIGIN,
        outcome=outcome,
        certainty=RequestCertainty.MAY if standing is Standing.POSSIBLE else RequestCertainty.ASKS,
        reason=activity.sub_status,
        requested=when,
        completed=when if outcome in {RequestOutcome.SUCCESS, RequestOutcome.FAILURE} else None,
        actor=_actor(activity),
        address=address,
        addresses=() if address is None else (address,),
        cluster=Cluster(provider="azure", account=_part(resource, "subscriptions")),
        workload=_workload(activity, resource),
        containers=tuple(_containers(activity.properties)),
        ref=ref,
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=key(
            RequestSource.AZURE,
            activity.event_id,
            activity.correlation,
            named.upper(),
            resource,
            activity.status,
            when,
        ),
        operation=None
        if activity.correlation is None or not known
        else key(RequestSource.AZURE, activity.correlation, named.upper(), resource),
    )


def _ran_already(activity: Activity) -> bool:
    """A start that answers 204 found the group running: a success, and no start."""
    words = (activity.sub_status, text(activity.properties, "statusCode"))
    plain = [(word or "").partition("(")[0].replace(" ", "").lower() for word in words]
    return not _RAN_ALREADY.isdisjoint(plain)


def _spelled(named: str, activity: Activity) -> str:
    """Return the operation in its own spelling, where the record gives it in capitals."""
    for given in (text(activity.authorization, "action"), text(activity.properties, "message")):
        if given is not None and given.upper() == named.upper():
            return given
    return named


def _actor(activity: Activity) -> Actor | None:
    claims = activity.claims
    person = text(claims, f"{_CLAIMS}upn") or text(claims, f"{_CLAIMS}name")
    name = activity.caller or person or text(claims, "name") or text(claims, "appid")
    if name is None:
        return None
    kind = ActorKind.SERVICE_ACCOUNT if _is_app(claims, person, activity.caller) else ActorKind.USER
    return Actor(name, kind, id=text(claims, _OBJECT_ID))


def _is_app(claims: Json, person: str | None, caller: str | None) -> bool:
    """Return whether an application called by itself. A person's token names one, too."""
    given = text(claims, "idtyp")
    if given is not None:
        return given == "app"
    if person is not None or any(text(claims, name) is not None for name in _OF_PERSONS):
        return False
    # A person's caller is a name; that of an application is its id.
    return text(claims, "appid") is not None or _ID.fullmatch(caller or "") is not None


_OF_PERSONS = ("name", "unique_name", "http://schemas.microsoft.com/identity/claims/scope")
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _workload(activity: Activity, resource: str | None) -> Workload:
    own = _own_spelling(activity, resource)
    return Workload(
        kind=next((kind for part, kind in KINDS if part in (resource or "")), "Resource"),
        namespace=_part(own, "resourcegroups"),
        name=_name(own),
        resource=resource,
    )


def _own_spelling(activity: Activity, resource: str | None) -> str | None:
    """Return the resource's path as its owner spelled it, where the record has it."""
    given = (
        activity.resource,
        text(activity.authorization, "scope"),
        text(activity.properties, "entity"),
    )
    same = [path for path in given if path is not None and path.lower() == resource]
    return next((path for path in same if path not in (path.upper(), path.lower())), resource)


def _part(path: str | None, after: str) -> str | None:
    parts = (path or "").split("/")
    lower = [part.lower() for part in parts]
    at = lower.index(after) + 1 if after in lower else len(parts)
    return parts[at] or None if at < len(parts) else None


def _name(path: str | None) -> str | None:
    """Return the name of the resource that the provider's first type has in the path."""
    parts = (path or "").split("/")
    lower = [part.lower() for part in parts]
    if "providers" not in lower:
        return parts[-1] or None
    at = lower.index("providers") + 3
    return parts[at] or None if at < len(parts) else None


def _containers(properties: Json) -> Iterator[RequestContainer]:
    """Yield the containers of a group's or an app's request body; nothing else of it is read."""
    body = nested(properties, "requestbody") or nested(properties, "requestBody")
    inner = table(body, "properties")
    for item in rows(inner, "containers") or rows(table(inner, "template"), "containers"):
        image = text(table(item, "properties"), "image") or text(item, "image")
        yield RequestContainer(name=text(item, "name"), image=image, digest=digest_of(image))


def container_event(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of a row of the table ``ContainerEvent_CL``."""
    reason = text(value, "Reason_s") or text(value, "Reason")
    standing, effect, outcome = _REASONS.get(reason or "", _NOTED)
    resource = (text(value, "_ResourceId") or "").lower() or None
    group = text(value, "ContainerGroup_s") or text(value, "ContainerGroup")
    name = text(value, "ContainerName_s") or text(value, "ContainerName")
    instance = text(value, "ContainerGroupInstanceId_g")
    last = text(value, "LastTimestamp_t") or text(value, "TimeGenerated")
    when = wall(last)
    count = value.get("Count_d")
    request = Request(
        source=RequestSource.AZURE,
        id=None,
        action=f"ContainerEvent {reason}",
        effect=effect,
        chain=ChainPart.REPORT,
        outcome=outcome,
        reason=reason,
        requested=when,
        cluster=Cluster(provider="azure", account=_part(resource, "subscriptions")),
        workload=Workload(
            kind="ContainerGroup",
            namespace=_part(resource, "resourcegroups"),
            name=group,
            resource=resource,
        ),
        containers=() if name is None else (RequestContainer(name=name),),
        ref=ref,
    )
    record_key = key(
        RequestSource.AZURE, "container", resource, instance, name, reason, when, count
    )
    return ControlRecord(
        standing=standing,
        request=request,
        key=record_key,
        observed_key=record_key if standing is Standing.OBSERVED else None,
    )


_REASONS = {
    "Created": (Standing.RELATED, Effect.CREATE, RequestOutcome.SUCCESS),
    "Started": (Standing.OBSERVED, Effect.START, RequestOutcome.SUCCESS),
    "Killing": (Standing.NO, Effect.STOP, RequestOutcome.SUCCESS),
    "Failed": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
    "BackOff": (Standing.NO, Effect.START, RequestOutcome.FAILURE),
}
_NOTED = (Standing.NO, Effect.NONE, RequestOutcome.SUCCESS)

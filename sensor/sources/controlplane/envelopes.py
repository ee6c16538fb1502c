"""What a JSON value is: which source wrote it, and which records stand in it.

A source is recognised by keys that only it writes. ``auto`` needs nothing else; a source that is
named on the command line only restricts what is accepted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import Cluster, ControlRecord, RecordRef, RequestSource
from sensor.sources.controlplane import (
    azure_activity,
    azure_events,
    cloudtrail,
    docker_records,
    ecs_state,
    gcp_audit,
    gke,
    kubernetes_audit,
    kubernetes_events,
    kubernetes_record,
    node_log,
)
from sensor.sources.controlplane.carried_text import OTHER_PROGRAM, UnreadText, parsed
from sensor.sources.controlplane.carriers import Context, items
from sensor.sources.controlplane.json_text import (
    Json,
    JsonInvalid,
    nested,
    parse,
    table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.sources.controlplane.addresses import Proxies

OF_A_WORKLOAD = UnreadText("text of a workload", harmless=True)
"""A line in the form of a record. Only Events of Kubernetes are taken from a pod: exporters print
them, and they report what a component says."""
UNKNOWN = "record of an unknown source"
"""A JSON object that none of the sources writes."""
_LOST = "events may have been lost"
_AUDIT_LOGS = "cloudaudit.googleapis.com/"
_EVENT_LOG = "events"
_NODE_LOGS = frozenset({"container-runtime", "kubelet"})
_AUTOSCALER_LOG = "container.googleapis.com/cluster-autoscaler-visibility"
_SERVICES = "aws."
"""How the source of an event begins that AWS itself puts on a bus; it refuses that to others."""
_TABLES = {"AKSAudit", "AKSAuditAdmin"}
_AKS_CATEGORIES = frozenset({"kube-audit", "kube-audit-admin"})
_COLUMNS = {
    "auditid": "auditID",
    "level": "level",
    "stage": "stage",
    "requesturi": "requestURI",
    "verb": "verb",
    "user": "user",
    "impersonateduser": "impersonatedUser",
    "sourceips": "sourceIPs",
    "useragent": "userAgent",
    "objectref": "objectRef",
    "responsestatus": "responseStatus",
    "requestobject": "requestObject",
    "responseobject": "responseObject",
    "requestreceivedtime": "requestReceivedTimestamp",
    "requestreceivedtimestamp": "requestReceivedTimestamp",
    "stagereceivedtime": "stageTimestamp",
    "stagetimestamp": "stageTimestamp",
    "annotations": "annotations",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """A source's own note that it lost events."""

    source: RequestSource
    reason: str


Found = ControlRecord | UnreadText | Lost


def unwrap(value: object, ref: RecordRef, proxies: Proxies = ()) -> Iterator[tuple[int, Found]]:
    """Yield what stands in a JSON value, each with its item number."""
    for number, inner, context in items(value, Context(proxies=proxies), _known):
        place = ref if number == 0 else replace(ref, item=ref.item + number)
        yield number, _read(inner, place, context)


def _read(value: object, ref: RecordRef, context: Context) -> Found:
    if isinstance(value, UnreadText):
        return value
    if not isinstance(value, dict):
        return UnreadText("not an object")
    for recognise, read in _SOURCES:
        if recognise(value):
            if context.workload and read is not _events:
                return OF_A_WORKLOAD
            return read(value, ref, context)
    return UnreadText(UNKNOWN, harmless=True)


def _known(value: Json) -> bool:
    """Return whether one of the sources writes such an object."""
    return any(recognise(value) for recognise, _ in _SOURCES)


# ------------------------------------------------------------------------------------- sources


def _is_audit(value: Json) -> bool:
    return kubernetes_audit.is_event(value)


def _audit(value: Json, ref: RecordRef, context: Context) -> Found:
    call = kubernetes_audit.read(value, context.cluster)
    return kubernetes_record.record(call, ref, context.proxies)


def _is_aks(value: Json) -> bool:
    category = text(value, "category") or text(value, "Category")
    return category in _AKS_CATEGORIES or (
        text(value, "Type") in _TABLES or ("Verb" in value and "ObjectRef" in value)
    )


def _aks(value: Json, ref: RecordRef, context: Context) -> Found:
    """AKS: the event is a text in ``properties.log``; container id and pod are the API server's."""
    resource = (_first(value, "resourceId", "_ResourceId", "ResourceId") or "").lower()
    parts = resource.split("/")
    match parts:
        case [_, "subscriptions", subscription, *_]:
            account: str | None = subscription
        case _:
            account = None
    cluster = Cluster(
        name=parts[-1] or None,
        id=resource or None,
        provider="azure",
        account=account,
    )
    inside = replace(context, cluster=cluster if resource else None)
    log = nested(value, "properties").get("log", value.get("log_s"))
    if log is None and "category" not in value:
        event = {
            _COLUMNS[name.lower()]: _column(value, name)
            for name in value
            if name.lower() in _COLUMNS
        }
        return _audit(event, ref, inside)
    inner = parsed(log) if type(log) is str else log
    if isinstance(inner, UnreadText):
        return replace(inner, source=RequestSource.KUBERNETES)
    if not kubernetes_audit.is_event(inner):
        return replace(OTHER_PROGRAM, source=RequestSource.KUBERNETES)
    return _audit(inner, ref, inside)


def _first(value: Json, *keys: str) -> str | None:
    return next((found for key in keys if (found := text(value, key)) is not None), None)


def _column(value: Json, name: str) -> object:
    """Return a column of a table, whose objects may be texts of JSON."""
    inner = value[name]
    if type(inner) is str and inner[:1] in {"{", "["}:
        try:
            return parse(inner.encode("utf-8", "replace"))
        except JsonInvalid:
            return inner
    return inner


def _is_log_entry(value: Json) -> bool:
    return "logName" in value and (
        "protoPayload" in value or "jsonPayload" in value or "textPayload" in value
    )


def _log_entry(value: Json, ref: RecordRef, context: Context) -> Found:
    """Return what an entry says. The output of workloads is in other logs, in any form."""
    payload, log = table(value, "protoPayload"), _log_of(value)
    if payload and log.startswith(_AUDIT_LOGS):
        if payload.get("serviceName") == gke.SERVICE:
            return kubernetes_record.record(gke.read(value), ref, context.proxies)
        return gcp_audit.read(value, ref)
    inner = table(value, "jsonPayload")
    if log == _EVENT_LOG and kubernetes_events.is_event(inner):
        return kubernetes_events.read(inner, ref, gke.cluster_of(value))
    if log in _NODE_LOGS and node_log.is_node_log(value):
        return node_log.read(value, ref)
    if log == _AUTOSCALER_LOG:
        return gcp_audit.autoscaler(value, ref)
    if log == _EVENT_LOG and _LOST in (text(value, "textPayload") or ""):
        return Lost(RequestSource.GCP, "the exporter of events lost some")
    return UnreadText("log entry of another program", harmless=True, source=RequestSource.GCP)


def _log_of(value: Json) -> str:
    """Return the name of an entry's log, without the project, folder or organization."""
    return (text(value, "logName") or "").partition("/logs/")[2].replace("%2F", "/")


def _events(value: Json, ref: RecordRef, context: Context) -> Found:
    return kubernetes_events.read(value, ref, context.cluster)


def _trail(value: Json, ref: RecordRef, _: Context) -> Found:
    return cloudtrail.read(value, ref)


def _bridge(value: Json, ref: RecordRef, _: Context) -> Found:
    if not (text(value, "source") or "").startswith(_SERVICES):
        return UnreadText("event of another program", harmless=True, source=RequestSource.AWS)
    detail = table(value, "detail")
    if cloudtrail.is_record(detail):
        return cloudtrail.read(detail, ref)
    return ecs_state.read(value, ref)


def _activity(value: Json, ref: RecordRef, _: Context) -> Found:
    return azure_activity.read(value, ref)


def _resource_event(value: Json, ref: RecordRef, _: Context) -> Found:
    return azure_events.read(value, ref)


def _container_event(value: Json, ref: RecordRef, _: Context) -> Found:
    return azure_activity.container_event(value, ref)


def _is_container_event(value: Json) -> bool:
    return "ContainerGroup_s" in value and "Reason_s" in value


def _docker(value: Json, ref: RecordRef, _: Context) -> Found:
    return docker_records.read_event(value, ref)


_SOURCES = (
    (_is_audit, _audit),
    (cloudtrail.is_record, _trail),
    (_is_log_entry, _log_entry),
    (ecs_state.is_event, _bridge),
    (_is_aks, _aks),
    (azure_events.is_event, _resource_event),
    (azure_activity.is_activity, _activity),
    (_is_container_event, _container_event),
    (docker_records.is_event, _docker),
    (kubernetes_events.is_event, _events),
)

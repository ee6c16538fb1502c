"""What a JSON value is: which source wrote it, and which records stand in it.

A source is recognised by keys that only it writes. ``auto`` needs nothing else; a source that is
named on the command line only restricts what is accepted.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sensor.model.control_plane import Cluster, ControlRecord, RecordRef, RequestSource
from sensor.sources.controlplane import (
    azure_activity,
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
from sensor.sources.controlplane.json_text import (
    Json,
    JsonInvalid,
    nested,
    parse,
    rows,
    table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.sources.controlplane.addresses import Proxies

DEPTH_LIMIT = 5
"""Envelopes inside of envelopes: SNS in a Lambda event, a subscription in a Kinesis record."""
UNPACKED_LIMIT = 16 * 1024 * 1024
"""Bytes that one compressed payload may hold."""
ITEMS_LIMIT = 100_000
"""Records of one envelope."""
UNKNOWN = "record of an unknown source"
"""A JSON object that none of the sources writes."""
_LOST = "events may have been lost"
_EKS_GROUP = "/aws/eks/"
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
class Refused:
    """A part of a file that is not a record: why, and which text of it is worth keeping."""

    reason: str
    harmless: bool = False
    """It does not count as a loss: a health check, a page mark, text of another program."""
    source: RequestSource | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A source's own note that it lost events."""

    source: RequestSource
    reason: str


Found = ControlRecord | Refused | Lost


@dataclass(frozen=True, slots=True)
class _Context:
    cluster: Cluster | None = None
    proxies: Proxies = ()
    depth: int = 0


def unwrap(value: object, ref: RecordRef, proxies: Proxies = ()) -> Iterator[tuple[int, Found]]:
    """Yield what stands in a JSON value, each with its item number."""
    for number, inner, context in _items(value, _Context(proxies=proxies)):
        place = ref if number == 0 else replace(ref, item=ref.item + number)
        yield number, _read(inner, place, context)


def _items(value: object, context: _Context) -> Iterator[tuple[int, object, _Context]]:
    for number, (inner, where) in enumerate(_flat(value, context)):
        if number >= ITEMS_LIMIT:
            yield number, Refused("too many records in one envelope"), where
            return
        yield number, inner, where


def _flat(value: object, context: _Context) -> Iterator[tuple[object, _Context]]:
    """Yield the records in a value, without the envelopes around them."""
    if context.depth > DEPTH_LIMIT:
        yield Refused("envelopes inside of envelopes without end"), context
        return
    inside = replace(context, depth=context.depth + 1)
    items = value if isinstance(value, list) else _list_of(value)
    if items is not None:
        for item in items:
            yield from _flat(item, inside)
    elif isinstance(value, dict) and _is_cloudwatch(value):
        yield from _cloudwatch(value, inside)
    elif isinstance(value, dict) and (opened := _opened(value)) is not value:
        yield from _flat(opened, inside)
    else:
        yield value, context


def _is_cloudwatch(value: Json) -> bool:
    return "messageType" in value and ("logEvents" in value or "logGroup" in value)


def _opened(value: Json) -> object:
    """Return what an envelope of one record holds; the value itself where it is not an envelope."""
    if (packed := text_of(table(value, "awslogs"), "data")) is not None:
        return _unpacked(packed)
    if value.get("Type") == "Notification" and type(value.get("Message")) is str:
        return _parsed(value["Message"])
    message = text_of(table(value, "message"), "data")
    if message is not None and "subscription" in value:
        return _unpacked(message)
    if type(value.get("data")) is dict and "eventTime" in value and "subject" in value:
        # Event Grid: the record is its data.
        return value["data"]
    if type(value.get("eventData")) is dict:
        # CloudTrail Lake.
        return value["eventData"]
    return value


def text_of(value: Json, key: str) -> str | None:
    """Return a text of any length: a payload, which is not a name to be cut."""
    inner = value.get(key)
    return inner if type(inner) is str else None


def _list_of(value: object) -> list[object] | None:
    if not isinstance(value, dict):
        return None
    for name in ("items", "Records", "records", "value"):
        inner = value.get(name)
        if type(inner) is list and not ("auditID" in value or "eventName" in value):
            return inner
    return None


def _cloudwatch(value: Json, context: _Context) -> Iterator[tuple[object, _Context]]:
    """A subscription of CloudWatch Logs. Its control message checks that the target is there."""
    if value.get("messageType") == "CONTROL_MESSAGE":
        return
    group, owner = text(value, "logGroup") or "", text(value, "owner")
    where = context
    if group.startswith(_EKS_GROUP):
        name = group.removeprefix(_EKS_GROUP).partition("/")[0]
        where = replace(context, cluster=Cluster(name=name, provider="aws", account=owner))
    for event in rows(value, "logEvents"):
        message = event.get("message")
        yield from _flat(_parsed(message) if type(message) is str else message, where)


def _parsed(message: str) -> object:
    try:
        return parse(message.encode("utf-8", "replace"))
    except JsonInvalid as error:
        if message.lstrip().startswith("{"):
            return Refused(f"a record inside is not JSON: {error}")
        return Refused("text of another program", harmless=True)


def _unpacked(packed: str) -> object:
    """Return the JSON value in a base64 text, compressed or not."""
    try:
        data = base64.b64decode(packed, validate=False)
        if data.startswith(b"\x1f\x8b"):
            inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            data = inflater.decompress(data, UNPACKED_LIMIT)
            if inflater.unconsumed_tail:
                return Refused(f"a payload holds more than {UNPACKED_LIMIT} bytes")
        return parse(data)
    except (binascii.Error, zlib.error, JsonInvalid, ValueError) as error:
        return Refused(f"a payload cannot be read: {error}")


def _read(value: object, ref: RecordRef, context: _Context) -> Found:
    if isinstance(value, Refused):
        return value
    if not isinstance(value, dict):
        return Refused("not an object")
    for recognise, read in _SOURCES:
        if recognise(value):
            return read(value, ref, context)
    return Refused(UNKNOWN, harmless=True)


# ------------------------------------------------------------------------------------- sources


def _is_audit(value: Json) -> bool:
    return kubernetes_audit.is_event(value)


def _audit(value: Json, ref: RecordRef, context: _Context) -> Found:
    call = kubernetes_audit.read(value, context.cluster)
    return kubernetes_record.record(call, ref, context.proxies)


def _is_aks(value: Json) -> bool:
    return text(value, "category") in _AKS_CATEGORIES or (
        text(value, "Type") in _TABLES or ("Verb" in value and "ObjectRef" in value)
    )


def _aks(value: Json, ref: RecordRef, context: _Context) -> Found:
    """AKS: the event is a text in ``properties.log``; container id and pod are the API server's."""
    resource = (text(value, "resourceId") or text(value, "_ResourceId") or "").lower()
    parts = resource.split("/")
    cluster = Cluster(
        name=parts[-1] or None,
        id=resource or None,
        provider="azure",
        account=parts[2] if len(parts) > 2 else None,  # noqa: PLR2004 - /subscriptions/ID/…
    )
    inside = replace(context, cluster=cluster if resource else None)
    if "category" not in value:
        event = {
            _COLUMNS[name.lower()]: _column(value, name)
            for name in value
            if name.lower() in _COLUMNS
        }
        return _audit(event, ref, inside)
    log = nested(value, "properties").get("log")
    inner = _parsed(log) if type(log) is str else log
    if isinstance(inner, Refused):
        return replace(inner, source=RequestSource.KUBERNETES)
    if not kubernetes_audit.is_event(inner):
        return Refused("text of another program", harmless=True, source=RequestSource.KUBERNETES)
    return _audit(inner, ref, inside)


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


def _log_entry(value: Json, ref: RecordRef, context: _Context) -> Found:
    payload = table(value, "protoPayload")
    if payload:
        if payload.get("serviceName") == gke.SERVICE:
            return kubernetes_record.record(gke.read(value), ref, context.proxies)
        return gcp_audit.read(value, ref)
    inner = table(value, "jsonPayload")
    if kubernetes_events.is_event(inner):
        return kubernetes_events.read(inner, ref, gke.cluster_of(value))
    if node_log.is_node_log(value):
        return node_log.read(value, ref)
    if "cluster-autoscaler-visibility" in (text(value, "logName") or ""):
        return gcp_audit.autoscaler(value, ref)
    if _LOST in (text(value, "textPayload") or ""):
        return Lost(RequestSource.GCP, "the exporter of events lost some")
    return Refused("log entry of another program", harmless=True, source=RequestSource.GCP)


def _events(value: Json, ref: RecordRef, context: _Context) -> Found:
    return kubernetes_events.read(value, ref, context.cluster)


def _trail(value: Json, ref: RecordRef, _: _Context) -> Found:
    return cloudtrail.read(value, ref)


def _bridge(value: Json, ref: RecordRef, _: _Context) -> Found:
    detail = table(value, "detail")
    if cloudtrail.is_record(detail):
        return cloudtrail.read(detail, ref)
    return ecs_state.read(value, ref)


def _activity(value: Json, ref: RecordRef, _: _Context) -> Found:
    return azure_activity.read(value, ref)


def _container_event(value: Json, ref: RecordRef, _: _Context) -> Found:
    return azure_activity.container_event(value, ref)


def _is_container_event(value: Json) -> bool:
    return "ContainerGroup_s" in value and "Reason_s" in value


def _docker(value: Json, ref: RecordRef, _: _Context) -> Found:
    return docker_records.read_event(value, ref)


_SOURCES = (
    (_is_audit, _audit),
    (cloudtrail.is_record, _trail),
    (_is_log_entry, _log_entry),
    (ecs_state.is_event, _bridge),
    (_is_aks, _aks),
    (azure_activity.is_activity, _activity),
    (_is_container_event, _container_event),
    (docker_records.is_event, _docker),
    (kubernetes_events.is_event, _events),
)

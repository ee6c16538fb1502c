"""Envelopes around records, opened until the records themselves appear.

Records come through what carries logs: subscriptions of CloudWatch, Firehose, Kinesis, SQS, SNS,
Pub/Sub, Event Grid, Event Hubs, the stores that they are read back from, and collectors that put a
whole line into a text field. An object that one of the sources writes is never opened, whatever
else stands in it. Fields are opened by their names alone: a text in any other field, which the
subject of a record may have chosen, is never a record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import Cluster
from sensor.sources.controlplane.carried_text import UnreadText, is_packed, parsed, unpacked
from sensor.sources.controlplane.json_text import Json, rows, table, text
from sensor.sources.controlplane.log_stores import (
    is_stream,
    is_table,
    of_key_values,
    of_stream,
    of_table,
)
from sensor.sources.controlplane.speakers import group_of_workloads, of_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.sources.controlplane.addresses import Proxies

DEPTH_LIMIT = 8
"""Envelopes inside of envelopes: a record of OpenTelemetry is in four alone."""
ITEMS_LIMIT = 100_000
"""Records of one envelope."""
_EKS_GROUP = "/aws/eks/"
_LISTS = (
    "items",
    "Items",
    "Records",
    "records",
    "value",
    "events",
    "Events",
    "entries",
    "receivedMessages",
    "hits",
    "messages",
    "Messages",
    "result",
    "results",
    "streams",
    "QueryResultRows",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
)
"""Fields with a list of records, or of what carries one."""
_CARRIED = (
    "log_processed",
    "message",
    "log",
    "log_s",
    "body",
    "Body",
    "event",
    "original",
    "_source",
    "hits",
    "data",
    "Data",
    "data_base64",
    "Message",
    "Sns",
    "@message",
    "line",
    "json",
    "result",
    "_raw",
    "payload",
    "value",
    "CloudTrailEvent",
    "eventJson",
    "stringValue",
    "bytesValue",
)
"""Fields in which collectors, queues and stores carry a record: an object, a text of JSON, or a
base64 text of one."""
_WATCHED = frozenset({"ADDED", "MODIFIED"})


@dataclass(frozen=True, slots=True)
class Context:
    """What the envelopes around a record say of it."""

    cluster: Cluster | None = None
    proxies: Proxies = ()
    depth: int = 0
    workload: bool = False
    """A workload wrote what is carried, so that it speaks for no control plane."""


def items(
    value: object, context: Context, known: Callable[[Json], bool]
) -> Iterator[tuple[int, object, Context]]:
    """Yield the records in a value, each with its number and what its envelopes say.

    ``known``: whether one of the sources writes an object; such a one is not opened.
    """
    for number, (inner, where) in enumerate(_flat(value, context, known)):
        if number >= ITEMS_LIMIT:
            yield number, UnreadText("too many records in one envelope"), where
            return
        yield number, inner, where


def _flat(
    value: object, context: Context, known: Callable[[Json], bool]
) -> Iterator[tuple[object, Context]]:
    """Yield the records in a value, without the envelopes around them."""
    if context.depth > DEPTH_LIMIT:
        yield UnreadText("envelopes inside of envelopes without end"), context
        return
    if isinstance(value, dict) and of_workload(value):
        context = replace(context, workload=True)
    inside = replace(context, depth=context.depth + 1)
    if isinstance(value, list):
        for item in value:
            yield from _flat(item, inside, known)
    elif not isinstance(value, dict):
        yield value, context
    elif _is_cloudwatch(value):
        yield from _cloudwatch(value, inside, known)
    elif (opened := _opened(value)) is not value:
        yield from _flat(opened, inside, known)
    elif known(value):
        yield value, context
    elif (listed := _list_of(value)) is not None:
        yield from _flat(listed, inside, known)
    else:
        yield from _carried(value, context, known)


def _is_cloudwatch(value: Json) -> bool:
    return "messageType" in value and ("logEvents" in value or "logGroup" in value)


def _opened(value: Json) -> object:
    """Return what an envelope of its own shape holds; else the value itself."""
    for carrier in ("awslogs", "kinesis"):
        if (packed := _text_of(table(value, carrier), "data")) is not None:
            return unpacked(packed)
    if value.get("Type") == "Notification" and type(value.get("Message")) is str:
        return parsed(value["Message"])
    message = _text_of(table(value, "message"), "data")
    if message is not None and ("subscription" in value or "ackId" in value):
        return unpacked(message)
    kept = table(value, "kubernetes").get("audit")
    if type(kept) is dict:
        # Elastic's integration.
        return kept
    if type(value.get("eventData")) is dict:
        # CloudTrail Lake.
        return value["eventData"]
    if type(value.get("object")) is dict and type(value.get("type")) is str:
        # A watch of the API server. What ends is the Event itself, not what it reports.
        kept = value["type"] in _WATCHED
        return value["object"] if kept else UnreadText("end of an event", harmless=True)
    return _stored(value)


def _stored(value: Json) -> object:
    """Return the records in the answer of a log store; else the value itself."""
    if is_stream(value):
        return of_stream(value)
    if type(value.get("tables")) is list:
        return rows(value, "tables")
    if is_table(value):
        return of_table(value)
    if type(value.get("kvlistValue")) is dict:
        return of_key_values(value)
    return value


def _list_of(value: Json) -> list[object] | None:
    """Return the list that an envelope holds; an empty one where it holds nothing else."""
    if "auditID" in value or "eventName" in value:
        return None
    lists: list[list[object]] = [inner for name in _LISTS if type(inner := value.get(name)) is list]
    full = next((one for one in lists if one), None)
    if full is not None or not lists:
        return full
    return None if any(name in value for name in _CARRIED) else []


def _carried(
    value: Json, context: Context, known: Callable[[Json], bool]
) -> Iterator[tuple[object, Context]]:
    """Yield what an object that no source writes carries, or the object itself.

    Several fields may look like it (``event`` is a record for one collector, and notes on a record
    for another): the first that leads to a record counts, else the first that is damaged.
    """
    inside = replace(context, depth=context.depth + 1)
    damaged: list[tuple[object, Context]] = []
    for inner in _candidates(value):
        found = list(_flat(inner, inside, known))
        if any(isinstance(one, dict) and known(one) for one, _ in found):
            yield from found
            return
        if not damaged and any(
            isinstance(one, UnreadText) and not one.harmless for one, _ in found
        ):
            damaged = found
    yield from damaged or [(value, context)]


def _candidates(value: Json) -> Iterator[object]:
    for name in _CARRIED:
        inner: object = value.get(name)
        if type(inner) is dict:
            yield inner
        elif type(inner) is not str:
            continue
        elif inner.lstrip()[:1] in {"{", "["}:
            yield parsed(inner)
        elif is_packed(inner):
            yield unpacked(inner)


def _text_of(value: Json, key: str) -> str | None:
    """Return a text of any length: a payload, which is not a name to be cut."""
    inner = value.get(key)
    return inner if type(inner) is str else None


def _cloudwatch(
    value: Json, context: Context, known: Callable[[Json], bool]
) -> Iterator[tuple[object, Context]]:
    """A subscription of CloudWatch Logs. Its control message checks that the target is there."""
    if value.get("messageType") == "CONTROL_MESSAGE":
        return
    group, owner = text(value, "logGroup") or "", text(value, "owner")
    where = context
    if group_of_workloads(group, text(value, "logStream") or ""):
        where = replace(context, workload=True)
    elif group.startswith(_EKS_GROUP):
        name = group.removeprefix(_EKS_GROUP).partition("/")[0]
        where = replace(context, cluster=Cluster(name=name, provider="aws", account=owner))
    events = value.get("logEvents")
    for event in events if type(events) is list else ():
        message = event.get("message") if type(event) is dict else None
        yield from _flat(parsed(message) if type(message) is str else message, where, known)

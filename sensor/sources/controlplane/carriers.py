"""Envelopes around records, opened until the records themselves appear.

Records come through what carries logs: subscriptions of CloudWatch, Kinesis, SQS, SNS, Pub/Sub,
Event Grid, Event Hubs, and collectors that put a whole line into a text field. An object that one
of the sources writes is never opened, whatever else stands in it.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.control_plane import Cluster, RequestSource
from sensor.sources.controlplane.json_text import Json, JsonInvalid, parse, rows, table, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.sources.controlplane.addresses import Proxies

DEPTH_LIMIT = 6
"""Envelopes inside of envelopes: a subscription in a Kinesis record of a Lambda event."""
UNPACKED_LIMIT = 16 * 1024 * 1024
"""Bytes that one compressed payload may hold."""
ITEMS_LIMIT = 100_000
"""Records of one envelope."""
_EKS_GROUP = "/aws/eks/"
_LISTS = ("items", "Records", "records", "value", "events", "receivedMessages", "hits", "messages")
_CARRIED = (
    "message",
    "log",
    "log_s",
    "body",
    "event",
    "_source",
    "hits",
    "data",
    "Message",
    "line",
)
"""Fields in which collectors and queues carry a record, as an object or as a text of JSON."""


@dataclass(frozen=True, slots=True)
class UnreadText:
    """What stands in a file and is not a record: why, and which text of it is worth keeping."""

    reason: str
    harmless: bool = False
    """It is not a loss: a health check, a page mark, text of another program."""
    source: RequestSource | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the envelopes around a record say of it."""

    cluster: Cluster | None = None
    proxies: Proxies = ()
    depth: int = 0


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
    inside = replace(context, depth=context.depth + 1)
    listed = value if isinstance(value, list) else _list_of(value)
    if listed is not None:
        for item in listed:
            yield from _flat(item, inside, known)
    elif isinstance(value, dict) and _is_cloudwatch(value):
        yield from _cloudwatch(value, inside, known)
    elif isinstance(value, dict) and (opened := _opened(value)) is not value:
        yield from _flat(opened, inside, known)
    elif isinstance(value, dict) and not known(value) and (carried := _carried(value)) is not None:
        yield from _flat(carried, inside, known)
    else:
        yield value, context


def _is_cloudwatch(value: Json) -> bool:
    return "messageType" in value and ("logEvents" in value or "logGroup" in value)


def _opened(value: Json) -> object:
    """Return what an envelope of one record holds; the value itself where it has none."""
    for carrier in ("awslogs", "kinesis"):
        if (packed := _text_of(table(value, carrier), "data")) is not None:
            return _unpacked(packed)
    if value.get("Type") == "Notification" and type(value.get("Message")) is str:
        return parsed(value["Message"])
    message = _text_of(table(value, "message"), "data")
    if message is not None and ("subscription" in value or "ackId" in value):
        return _unpacked(message)
    if type(value.get("data")) is dict and "eventTime" in value and "subject" in value:
        # Event Grid: the record is its data.
        return value["data"]
    if type(value.get("eventData")) is dict:
        # CloudTrail Lake.
        return value["eventData"]
    return value


def _carried(value: Json) -> object | None:
    """Return what an object that no source writes carries; None where that is not JSON."""
    for name in _CARRIED:
        inner: object = value.get(name)
        if type(inner) is dict:
            return inner
        if type(inner) is str and inner.lstrip()[:1] in {"{", "["}:
            try:
                made: object = parse(inner.encode("utf-8", "replace"))
            except JsonInvalid as error:
                return UnreadText(f"a record inside is not JSON: {error}")
            return made
    return None


def _text_of(value: Json, key: str) -> str | None:
    """Return a text of any length: a payload, which is not a name to be cut."""
    inner = value.get(key)
    return inner if type(inner) is str else None


def _list_of(value: object) -> list[object] | None:
    if not isinstance(value, dict):
        return None
    for name in _LISTS:
        inner = value.get(name)
        if type(inner) is list and not ("auditID" in value or "eventName" in value):
            return inner
    return None


def _cloudwatch(
    value: Json, context: Context, known: Callable[[Json], bool]
) -> Iterator[tuple[object, Context]]:
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
        yield from _flat(parsed(message) if type(message) is str else message, where, known)


def parsed(message: str) -> object:
    """Return the JSON value in a text, or why it cannot be parsed."""
    try:
        return parse(message.encode("utf-8", "replace"))
    except JsonInvalid as error:
        if message.lstrip().startswith("{"):
            return UnreadText(f"a record inside is not JSON: {error}")
        return UnreadText("text of another program", harmless=True)


def _unpacked(packed: str) -> object:
    """Return the JSON value in a base64 text, compressed or not."""
    try:
        data = base64.b64decode(packed, validate=False)
        if data.startswith(b"\x1f\x8b"):
            inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            data = inflater.decompress(data, UNPACKED_LIMIT)
            if inflater.unconsumed_tail:
                return UnreadText(f"a payload holds more than {UNPACKED_LIMIT} bytes")
        return parse(data)
    except (binascii.Error, zlib.error, JsonInvalid, ValueError) as error:
        return UnreadText(f"a payload cannot be read: {error}")

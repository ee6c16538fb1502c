"""Azure's operations as Event Grid pushes them: ``Microsoft.Resources.ResourceActionSuccess``.

An event says the end of an operation, in the schema of Event Grid or as a CloudEvent. Its ``data``
has the Activity Log's fields under names of its own (event-schema-subscriptions of azure-docs); in
older schemas claims, authorization and request are texts of JSON. It folds with the Activity Log's
records of the same operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.sources.controlplane.azure_activity import Activity, record_of
from sensor.sources.controlplane.json_text import Json, nested, table, text

if TYPE_CHECKING:
    from sensor.model.control_plane import ControlRecord, RecordRef

_TYPES = "Microsoft.Resources.Resource"
"""Followed by Write, Delete or Action, and by Success, Failure or Cancel."""
_ENDS = {"Success": "Succeeded", "Failure": "Failed", "Cancel": "Canceled"}


def is_event(value: Json) -> bool:
    """Return whether a JSON object is an event about an operation on a resource."""
    return (_type(value) or "").startswith(_TYPES) and "operationName" in table(value, "data")


def read(value: Json, ref: RecordRef) -> ControlRecord:
    """Return the record of the end of an operation."""
    data, kind = table(value, "data"), _type(value) or ""
    ended = next((status for end, status in _ENDS.items() if kind.endswith(end)), None)
    activity = Activity(
        operation=text(data, "operationName"),
        status=ended or text(data, "status"),
        sub_status=None,
        when=text(value, "eventTime") or text(value, "time"),
        resource=text(data, "resourceUri") or text(value, "subject"),
        correlation=text(data, "correlationId"),
        event_id=text(value, "id"),
        caller=None,
        address=text(nested(data, "httpRequest"), "clientIpAddress"),
        claims=nested(data, "claims"),
        authorization=nested(data, "authorization"),
        properties={},
    )
    return record_of(activity, ref)


def _type(value: Json) -> str | None:
    return text(value, "eventType") or text(value, "type")

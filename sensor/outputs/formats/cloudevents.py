"""The format ``cloudevents``: the native document in a CloudEvents 1.0 envelope, structured JSON.

``source`` is the host, ``subject`` the container; the pair of ``source`` and ``id`` is unique, as
the specification wants it, and so is the id alone. The native document is ``data``, whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sensor.outputs.delivery import Format
from sensor.outputs.formats import jsontext
from sensor.outputs.formats.reading import EventReading, read

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document, Record

SPEC_VERSION = "1.0"
TYPE_PREFIX = "castoff."
DATA_SCHEMA = "urn:castoff:schema:event:1"
"""The ``$id`` of docs/schema/castoff.event.1.schema.json."""


def envelope(event: EventReading) -> dict[str, Any]:
    """Return the attributes of the event's context."""
    subject = event.container.text("id")
    return {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": _source(event),
        "type": TYPE_PREFIX + event.type.value,
        **({} if subject is None else {"subject": subject}),
        "time": event.time,
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
    }


def _source(event: EventReading) -> str:
    """Return the host, or the control plane whose record it was read from."""
    if event.host:
        return f"urn:castoff:host:{quote(event.host.text('name') or 'unknown', safe='')}"
    request = event.root.block("request")
    plane = request.text("source") or event.root.block("orchestrator").text("type") or "unknown"
    cluster = request.block("cluster").text("name") or event.root.block("orchestrator").text(
        "cluster"
    )
    return f"urn:castoff:{plane}:{quote(cluster or 'unknown', safe='')}"


def document(record: Record) -> Document:
    """Return the event with its envelope. Raises LineDamaged."""
    return {**envelope(read(record)), "data": json.loads(record.line)}


def _line(record: Record) -> bytes:
    """Put the envelope around the line as it is in the log, which is printable JSON already."""
    head = jsontext.line(envelope(read(record)))
    native = record.line.rstrip(b"\n")
    if not native.isascii() or not native.decode("ascii").isprintable():
        return jsontext.line(document(record))
    return head[:-2] + b',"data":' + native + b"}\n"


FORMAT = Format("cloudevents", "application/cloudevents+json", _line, document)

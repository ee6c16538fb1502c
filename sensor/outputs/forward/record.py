"""What of an event goes over the wire: its document, without what says nothing.

- ``null``, an empty list and an empty object are left out: on this wire, unknown is absent;
- ``Detail.COMPACT`` leaves out what proves and locates a start on its own node, where the log still
  has it: ``COMPACT_WITHOUT``. Its schema is another one, so that nobody takes what was left out for
  unknown.

All else stands as in ``docs/schema``, times and ids as text: receivers make JSON of it, where there
are no bytes and no 64-bit numbers.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.delivery import Document, Record

COMPACT_SCHEMA = "castoff.event.compact/1"

COMPACT_WITHOUT = (
    ("evidence",),
    ("observed",),
    ("container", "cgroup"),
    ("initiator", "process", "start_time"),
)
"""Paths that a compact record lacks. Of the 200 bytes of a start they are 75 in a gzip chunk."""


class Detail(StrEnum):
    """How much of an event is sent."""

    FULL = "full"
    COMPACT = "compact"


def native(record: Record) -> Document:
    """Return a record's own document, bare. Raises ValueError and RecursionError."""
    document = json.loads(str(record.line, "ascii"))
    if not isinstance(document, dict):
        raise ValueError("the line is no JSON object")  # noqa: TRY004 - a damaged line
    return bare(document)


def compact(record: Record) -> Document:
    """Return the compact document of a record. Raises ValueError and RecursionError."""
    document: Any = native(record)
    for *path, last in COMPACT_WITHOUT:
        inner = document
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(last, None)
    document["schema"] = COMPACT_SCHEMA
    return bare(document)


def bare(document: Document) -> dict[str, object]:
    """Return a copy without nulls, empty lists and empty objects, however deep they stand."""
    # The identity of classes is all that JSON needs, and this runs for each value of each event.
    kept: dict[str, object] = {}
    for key, value in document.items():
        if value is None:
            continue
        kind = value.__class__
        if kind is dict:
            if inner := bare(value):  # type: ignore[arg-type] # a dict, as the line above says
                kept[key] = inner
        elif kind is list or kind is tuple:
            if value:
                kept[key] = [
                    bare(item) if item.__class__ is dict else item
                    for item in value  # type: ignore[attr-defined] # a list
                ]
        else:
            kept[key] = value
    return kept


def of_format(document: Callable[[Record], Document]) -> Callable[[Record], Document]:
    """Return the records of another format, bare as well."""
    return lambda record: bare(document(record))

"""Answers of log stores as plain lists of records: Loki, Log Analytics, OpenTelemetry.

- Loki pushes and answers with ``{"stream": {…}, "values": [[TIME, LINE], …]}``.
- The API of Log Analytics answers with ``{"columns": [{"name": …}], "rows": [[…], …]}``.
- OTLP writes objects as ``{"kvlistValue": {"values": [{"key": …, "value": {…}}]}}``.
"""

from __future__ import annotations

from sensor.sources.controlplane.carried_text import parsed
from sensor.sources.controlplane.json_text import Json, rows, text

DEPTH_LIMIT = 64
"""Values of OTLP inside of values; deeper ones are unknown."""
_PAIR = 2
_SCALARS = ("stringValue", "boolValue", "intValue", "doubleValue")


def is_stream(value: Json) -> bool:
    """Return whether an object is a stream of Loki."""
    return type(value.get("stream")) is dict and type(value.get("values")) is list


def of_stream(value: Json) -> list[object]:
    """Return what stands in the lines of a stream of Loki."""
    return [
        parsed(entry[1])
        for entry in value["values"]
        if type(entry) is list and len(entry) >= _PAIR and type(entry[1]) is str
    ]


def is_table(value: Json) -> bool:
    """Return whether an object is a table of Log Analytics."""
    return type(value.get("columns")) is list and type(value.get("rows")) is list


def of_table(value: Json) -> list[object]:
    """Return the rows of a table of Log Analytics, as its exports have them."""
    names = [text(column, "name") for column in rows(value, "columns")]
    return [
        {name: cell for name, cell in zip(names, row, strict=False) if name is not None}
        for row in value["rows"]
        if type(row) is list
    ]


def of_key_values(value: object, depth: int = 0) -> object:
    """Return a value of OTLP as plain JSON; None for what is too deep or of no known type."""
    if type(value) is not dict or depth > DEPTH_LIMIT:
        return None
    for name in _SCALARS:
        if name in value:
            return value[name]
    listed = value.get("arrayValue")
    if type(listed) is dict:
        return [of_key_values(item, depth + 1) for item in rows(listed, "values")]
    pairs = value.get("kvlistValue")
    if type(pairs) is not dict:
        return None
    return {
        key: of_key_values(item.get("value"), depth + 1)
        for item in rows(pairs, "values")
        if (key := text(item, "key")) is not None
    }

"""The format ``native``: the event as it stands in the log, schema ``castoff.event/1``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.outputs.delivery import Format

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document, Record


def _line(record: Record) -> bytes:
    return record.line


def _document(record: Record) -> Document:
    document: Document = json.loads(record.line)
    return document


FORMAT = Format("native", "application/json", _line, _document)

"""JSON on one line of printable ASCII, for every format that is JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensor.outputs.delivery import Document

# Documents are trees by construction: looking for cycles would cost a fifth of the time.
_ENCODER = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":"))


def line(document: Document) -> bytes:
    """Return a document as a line, newline and all."""
    return _ENCODER.encode(document).encode("ascii") + b"\n"

r"""How documents are written on the socket: one line of printable ASCII, as events are.

Control characters, bidi marks and all else beyond ASCII are ``\u`` escapes of JSON. Bytes that were
no UTF-8, which :mod:`sensor.model` carries as surrogates, become the text ``\xNN``, since a lone
surrogate makes a document unreadable for strict parsers.
"""

from __future__ import annotations

import json
import re

from sensor.schema.text import json_escaped

_BEYOND = re.compile(r"[^\x00-\x7e]")


def encode(document: object) -> bytes:
    """Return the document on one line."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _BEYOND.sub(_escape, text).encode("ascii") + b"\n"


def _escape(found: re.Match[str]) -> str:
    return json_escaped(ord(found[0]))

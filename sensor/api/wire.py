r"""How documents are written on the socket: one line of printable ASCII, as events are.

Control characters, bidi marks and all else beyond ASCII are ``\u`` escapes of JSON. Bytes that were
no UTF-8, which :mod:`sensor.model` carries as surrogates, become the text ``\xNN``, since a lone
surrogate makes a document unreadable for strict parsers.
"""

from __future__ import annotations

import json
import re

_BEYOND = re.compile(r"[^\x00-\x7e]")


def encode(document: object) -> bytes:
    """Return the document on one line."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _BEYOND.sub(_escape, text).encode("ascii") + b"\n"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - the range of surrogateescape, PEP 383
        return f"\\\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - any other surrogate, never valid alone
        return f"\\\\u{code:04x}"
    if code <= 0xFFFF:  # noqa: PLR2004 - the basic plane
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"

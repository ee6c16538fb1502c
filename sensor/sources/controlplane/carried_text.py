"""Texts that carry records inside of envelopes: JSON, several values of it, base64, gzip.

A text of Kinesis, Firehose or a topic may hold several records, one after the other or a line each.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.sources.controlplane.encoding import EncodingBroken, gunzipped
from sensor.sources.controlplane.framing import parts
from sensor.sources.controlplane.json_text import JsonInvalid, parse

if TYPE_CHECKING:
    from sensor.model.control_plane import RequestSource

UNPACKED_LIMIT = 16 * 1024 * 1024
"""Bytes that one compressed payload may hold."""
PACKED_LINE = b"H4sI"
"""How a line begins that is the base64 of a gzip text: what CloudWatch Logs puts into Kinesis."""
_GZIP = b"\x1f\x8b"
_PACKED_HEADS = ("H4sI", "ey", "ew", "W3", "Ww", "Wy")
"""How base64 of gzip, of an object and of an array begins."""
_HEAD = 1024
"""Characters at the begin of an event in which its id stands."""
_AUDIT_ID = re.compile(r'"auditID":"([A-Za-z0-9-]{1,64})"')
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]+={0,2}\s*")


@dataclass(frozen=True, slots=True)
class UnreadText:
    """What stands in a file and is not a record: why, and which text of it is worth keeping."""

    reason: str
    harmless: bool = False
    """It is not a loss: a health check, a page mark, text of another program."""
    source: RequestSource | None = None


OTHER_PROGRAM = UnreadText("text of another program", harmless=True)


def values_of(data: bytes) -> list[object]:
    """Return the values of a text. Raises JsonInvalid where one of them is damaged."""
    try:
        return [parse(data)]
    except JsonInvalid as error:
        several = parts(data)
        if not several:
            raise error from None
        return [parse(part) for part in several]


def parsed(message: str) -> object:
    """Return the JSON value in a text, a list where it holds several, or why it has none."""
    try:
        return _one(values_of(message.encode("utf-8", "replace")))
    except JsonInvalid as error:
        if message.lstrip().startswith("{"):
            return UnreadText(f"a record inside is not JSON: {error}{_audit_id(message)}")
        return OTHER_PROGRAM


def _audit_id(message: str) -> str:
    """Return which audit event a damaged text was: CloudWatch cuts those over 256 KB."""
    found = _AUDIT_ID.search(message, 0, _HEAD)
    return f" (auditID {found.group(1)})" if found is not None else ""


def is_packed(given: str) -> bool:
    """Return whether a text may be the base64 of gzip or JSON."""
    return given.startswith(_PACKED_HEADS) and _BASE64.fullmatch(given) is not None


def unpacked(packed: str | bytes) -> object:
    """Return the JSON value in a base64 text, compressed or not; a list where it holds several."""
    try:
        data = base64.b64decode(packed, validate=False)
        if data.startswith(_GZIP):
            data = gunzipped(data, UNPACKED_LIMIT)
        return _one(values_of(data))
    except (binascii.Error, EncodingBroken, ValueError) as error:
        return UnreadText(f"a payload cannot be read: {error}")


def _one(values: list[object]) -> object:
    return values[0] if len(values) == 1 else values

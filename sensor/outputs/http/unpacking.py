"""Bodies of answers that are packed, although no request asks for that: some proxies pack them all.

The unpacked size has the same limit as the body on the wire. What is damaged, or packed in a way of
its own, stays as it came: the status still counts.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.outputs.http.connection import AnswerTooLong

if TYPE_CHECKING:
    from sensor.outputs.http.message import HttpAnswer

_ANY_HEADER = 32 + zlib.MAX_WBITS
"""A window of 32 KiB, with a header of gzip or of zlib, whichever comes (zlib.h, inflateInit2)."""
_PACKED = frozenset({"gzip", "x-gzip", "deflate"})


def unpacked(answer: HttpAnswer, limit: int) -> HttpAnswer:
    """Return an answer with its body unpacked. Raises AnswerTooLong beyond ``limit`` bytes."""
    coding = (answer.header("content-encoding") or "").strip().lower()
    if coding not in _PACKED or not answer.body:
        return answer
    unpacker = zlib.decompressobj(_ANY_HEADER)
    try:
        body = unpacker.decompress(answer.body, limit + 1)
    except zlib.error:
        return answer
    if len(body) > limit:
        raise AnswerTooLong
    return replace(answer, body=body) if unpacker.eof else answer

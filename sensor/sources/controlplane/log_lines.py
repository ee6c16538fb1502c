"""Lines that a log driver wrote before the record: a time, and how CRI runtimes cut long lines.

CloudWatch's export to S3 writes ``TIME RECORD``. containerd and CRI-O write
``TIME STREAM P|F TEXT`` and cut a line at 16 KiB: all parts but the last one have a ``P``
(the CRI log format of kubelet).
"""

from __future__ import annotations

import re

from sensor.sources.controlplane.framing import FRAME_LIMIT

_PREFIX = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) (?:(stdout|stderr) ([PF]) )?", re.ASCII
)


class LogLines:
    """Takes the lines of one file that are not JSON, gives the text behind their prefix."""

    def __init__(self) -> None:
        self._parts: dict[bytes, bytearray] = {}
        """The begin of a line that is not whole yet, by its stream."""

    def text(self, line: bytes) -> bytes | None:
        """Return the whole text of a line; ``b""`` while it is not whole, None for other lines."""
        found = _PREFIX.match(line)
        if found is None:
            return None
        stream, mark = found.group(1), found.group(2)
        rest = line[found.end() :]
        if stream is None:
            return rest
        part = self._parts.pop(stream, None)
        if part is not None:
            rest = bytes(part) + rest
        if mark == b"F" or len(rest) > FRAME_LIMIT:
            return rest
        self._parts[stream] = bytearray(rest)
        return b""

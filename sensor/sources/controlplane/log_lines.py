"""What a log driver or a collector wrote around the record of a line, and lines that are cut.

- CloudWatch's export to S3 writes ``TIME RECORD``.
- containerd and CRI-O write ``TIME STREAM P|F TEXT`` and cut a line at 16 KiB: all parts but the
  last one have a ``P`` (the CRI log format of kubelet).
- ``aws logs tail`` writes ``TIME STREAM RECORD``. The names of the streams are the service's.
- ``oc adm node-logs`` writes ``NODE RECORD`` for several nodes.
- Fluentd's ``out_file`` writes ``TIME<tab>TAG<tab>RECORD``, Fluent Bit's ``TAG: [TIME, RECORD]``.

Lines of syslog and of the journal are not opened: any program of a host may write one.
"""

from __future__ import annotations

import re

from sensor.sources.controlplane.framing import FRAME_LIMIT

_PREFIX = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) (?:(stdout|stderr) ([PF]) )?", re.ASCII
)

_FLUENTD = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d)\t[^\t\n]{1,256}\t", re.ASCII
)
_FLUENT_BIT = re.compile(
    rb"[\w.*-]{1,256}: \[\[?\d{1,12}(?:\.\d{1,9})?(?:, ?\{\}\])?, ?(?=\{)", re.ASCII
)


_STREAM = re.compile(
    rb"(?:kube-apiserver-audit-[0-9a-f]{1,64}|\d{12}_CloudTrail_[a-z0-9-]{1,40}\S{0,40}) (?=\{)"
)
_NODE = re.compile(
    rb'[a-z0-9][a-z0-9.-]{0,252} (?=\{"kind": ?"Event", ?"apiVersion": ?"audit\.k8s\.io/)'
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
            return _behind(line)
        stream, mark = found.group(1), found.group(2)
        rest = line[found.end() :]
        if stream is None:
            named = _STREAM.match(rest)
            return rest if named is None else rest[named.end() :]
        part = self._parts.pop(stream, None)
        if part is not None:
            rest = bytes(part) + rest
        if mark == b"F" or len(rest) > FRAME_LIMIT:
            return rest
        self._parts[stream] = bytearray(rest)
        return b""


def _behind(line: bytes) -> bytes | None:
    """Return the record of a line of Fluentd, of Fluent Bit or behind the name of a node."""
    found = _FLUENTD.match(line) or _NODE.match(line)
    if found is not None:
        return line[found.end() :]
    found = _FLUENT_BIT.match(line)
    whole = line.rstrip()
    return whole[found.end() : -1] if found is not None and whole.endswith(b"]") else None

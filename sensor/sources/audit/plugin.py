"""Audit records as auditd's dispatcher hands them to a plugin: lines on a descriptor.

For hosts where auditd runs and CAP_AUDIT_READ is not to be had. The descriptor is a plugin's
standard input (auditd-plugins(5), ``format = string``) or a connection to the ``af_unix`` plugin's
socket. The dispatcher's queue is bounded, and a plugin that does not read holds up auditd and,
behind it, every audited process: :meth:`PluginReader.read` must be called whenever there is
something to read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sensor.sources.audit.record import LINE_MAX, from_line
from sensor.sources.lines import LineSplitter

if TYPE_CHECKING:
    from sensor.sources.audit.record import AuditRecord

CHUNK = 64 << 10
"""Bytes of one read(2): a pipe's capacity."""

CHUNKS_MAX = 16
"""Reads of one call."""


class PluginReader:
    """Reads lines from a descriptor, which it takes over."""

    def __init__(self, descriptor: int = 0) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._lines = LineSplitter(LINE_MAX)
        self.overruns = 0
        self.dropped = 0
        self.malformed = 0
        self.heard = False
        self.has_more = False
        self.ended = False
        """The other side closed: auditd has stopped, or reconfigured."""

    @property
    def descriptor(self) -> int:
        """Readable when there are records."""
        return self._descriptor

    def read(self) -> list[AuditRecord]:
        """Take what is there; never waits."""
        records: list[AuditRecord] = []
        self.has_more = False
        for _ in range(CHUNKS_MAX):
            try:
                data = os.read(self._descriptor, CHUNK)
            except BlockingIOError:
                return records
            if not data:
                self.ended = True
                return records
            for line in self._lines.feed(data):
                record = from_line(line)
                if record is None:
                    self.malformed += 1
                else:
                    records.append(record)
            self.heard = self.heard or bool(records)
        self.has_more = True
        return records

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

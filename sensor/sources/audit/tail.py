"""Audit records from auditd's log, followed across rotation.

The last way in: a record is on disk when auditd has flushed it, some of a second after the event.
auditd rotates by renaming (audit.log to audit.log.1) and begins a new file; log rotation by copy
truncates it instead. The file's inode and size show both. Between two looks more than one
rotation loses what the middle file held: the serials show it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.errors import PermissionMissing
from sensor.sources.audit.record import LINE_MAX, from_line
from sensor.sources.audit.unavailable import AuditUnavailable
from sensor.sources.lines import LineSplitter

if TYPE_CHECKING:
    from sensor.sources.audit.record import AuditRecord

LOG = Path("/var/log/audit/audit.log")

CHUNK = 256 << 10
CHUNKS_MAX = 8
"""Reads of one call."""


class TailReader:
    """Follows a log from its end, or from its beginning with ``from_start``.

    Raises :class:`PermissionMissing` or :class:`AuditUnavailable` when it cannot be opened.
    """

    def __init__(self, path: Path = LOG, *, from_start: bool = False) -> None:
        self._path = path
        self._lines = LineSplitter(LINE_MAX)
        try:
            self._file = _open(path)
        except PermissionError as error:
            problem = f"may not read {path}"
            raise PermissionMissing(
                problem, "Run as root, or in the group that log_group of auditd.conf names."
            ) from error
        except OSError as error:
            problem = f"{path}: {error.strerror}"
            raise AuditUnavailable(problem, "Start auditd, or name its log_file.") from error
        if not from_start:
            os.lseek(self._file, 0, os.SEEK_END)
        self.overruns = 0
        self.dropped = 0
        self.malformed = 0
        self.heard = False
        self.has_more = False
        self.rotations = 0

    @property
    def descriptor(self) -> None:
        """None: a file is always readable, so it has to be looked at now and then."""
        return

    def read(self) -> list[AuditRecord]:
        """Take what was written since the last call."""
        records: list[AuditRecord] = []
        self.has_more = False
        for _ in range(CHUNKS_MAX):
            data = os.read(self._file, CHUNK)
            if data:
                self._take(data, records)
            elif not self._follow():
                return records
        self.has_more = True
        return records

    def _take(self, data: bytes, into: list[AuditRecord]) -> None:
        for line in self._lines.feed(data):
            record = from_line(line)
            if record is None:
                self.malformed += 1
            else:
                self.heard = True
                into.append(record)

    def _follow(self) -> bool:
        """At the end of the file, go on to its successor; return whether there is one."""
        here = os.fstat(self._file)
        if here.st_size < os.lseek(self._file, 0, os.SEEK_CUR):
            os.lseek(self._file, 0, os.SEEK_SET)
        else:
            try:
                there = self._path.stat()
                if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                    return False
                successor = _open(self._path)
            except OSError:
                # Between the renaming and the new file.
                return False
            os.close(self._file)
            self._file = successor
        self._lines.reset()
        self.rotations += 1
        return True

    def close(self) -> None:
        """Stop following."""
        os.close(self._file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)

"""Log records as journal entries with fields, by the journal's native protocol.

Each entry is one datagram of ``KEY=value`` lines; a value with a line break is written as key, line
break, length (64 bits, little-endian) and bytes (systemd: docs/JOURNAL_NATIVE_PROTOCOL.md).
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = Path("/run/systemd/journal/socket")
MESSAGE_MAX = 8192
"""Characters of a value. A datagram has to fit the socket's buffer (212,992 bytes by default)."""

ERROR = 3
"""Priorities as syslog(3) has them."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, ERROR), (logging.WARNING, 4))
_INFO, _DEBUG = 6, 7
_STDERR = 2


def is_stderr(environment: Mapping[str, str], descriptor: int = _STDERR) -> bool:
    """Whether ``descriptor`` is the stream to the journal that systemd made (JOURNAL_STREAM)."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def entry(fields: Mapping[str, str]) -> bytes:
    """Encode one journal entry."""
    out = bytearray()
    for key, value in fields.items():
        data = value[:MESSAGE_MAX].encode(errors="replace")
        if b"\n" in data:
            out += key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            out += key.encode() + b"=" + data + b"\n"
    return bytes(out)


def send(fields: Mapping[str, str], path: Path = SOCKET) -> bool:
    """Send one entry; returns whether the journal took it."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_UNIX, kind) as out, contextlib.suppress(OSError):
        out.sendto(entry(fields), str(path))
        return True
    return False


class JournalHandler(logging.Handler):
    """Sends records to the journal; falls back to ``below`` when it does not take one."""

    def __init__(self, below: logging.Handler, path: Path = SOCKET) -> None:
        super().__init__()
        self._below = below
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            taken = send(
                {
                    "MESSAGE": self.format(record),
                    "PRIORITY": str(_priority(record.levelno)),
                    "SYSLOG_IDENTIFIER": "castoff",
                    "CASTOFF_LOGGER": record.name,
                    "CODE_FILE": record.pathname,
                    "CODE_LINE": str(record.lineno),
                    "CODE_FUNC": record.funcName or "",
                },
                self._path,
            )
        except Exception:  # noqa: BLE001 - a log call must not raise (logging.Handler.handleError)
            self.handleError(record)
            return
        if not taken:
            self._below.handle(record)


def _priority(level: int) -> int:
    for least, priority in _PRIORITIES:
        if level >= least:
            return priority
    return _INFO if level >= logging.INFO else _DEBUG

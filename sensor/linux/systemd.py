"""What a service reports to systemd: sd_notify(3) and its watchdog.

Outside of a service (no ``NOTIFY_SOCKET``) every call does nothing. A datagram that cannot be sent
is dropped: systemd then misses a beat, which is what the watchdog is for.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

STATUS_MAX = 200
"""Characters of a status line; ``systemctl status`` shows one line."""

_MICROSECONDS = 1_000_000
_ABSTRACT = "@"


class Notifier:
    """Reports of one process. The variables are taken out of ``environment``: children have none.

    ``beat_seconds`` is how often systemd wants :meth:`beat`, None where it does not watch.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        period = environment.pop("WATCHDOG_USEC", "")
        watched = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._address: str | None = None
        if address.startswith(("/", _ABSTRACT)):
            self._address = "\0" + address[1:] if address.startswith(_ABSTRACT) else address
        self.beat_seconds: float | None = None
        if self._address is not None and watched and period.isdecimal() and int(period) > 0:
            self.beat_seconds = int(period) / _MICROSECONDS

    def ready(self, status: str) -> None:
        """Report that start-up is complete."""
        self._send("READY=1", _status(status))

    def stopping(self, status: str) -> None:
        """Report that the process ends."""
        self._send("STOPPING=1", _status(status))

    def failed(self, status: str) -> None:
        """Set the line that ``systemctl status`` shows of a service that could not start."""
        self._send(_status(status))

    @property
    def is_heard(self) -> bool:
        """Whether a service manager listens."""
        return self._address is not None

    def beat(self, status: str | None = None) -> None:
        """Report progress to the watchdog, and what ``systemctl status`` shows if that is new."""
        self._send("WATCHDOG=1", *(() if status is None else (_status(status),)))

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_UNIX, kind) as out, contextlib.suppress(OSError):
            out.sendto("\n".join(lines).encode(errors="replace"), self._address)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:STATUS_MAX]}"

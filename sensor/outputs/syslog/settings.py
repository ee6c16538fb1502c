"""``type = "syslog"``: its keys, what they may be, and what they are when they are not given."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from sensor.dataclass import dataclass
from sensor.outputs.network.dial import Address
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.syslog.rfc5424 import EXAMPLE_ENTERPRISE, Facility, Framing

PORT_MOST = 65535
DATAGRAM_BYTES = 8192
STREAM_BYTES = 1 << 16
"""Largest messages by default. What a receiver takes is its own setting: rsyslog's is 8 KiB."""
UDP_PORT, TCP_PORT, TLS_PORT = 514, 514, 6514
"""RFC 5426, common use, RFC 5425."""
MAX_BYTES_LEAST = 480
"""What every receiver takes (RFC 5424 section 6.1)."""
MAX_BYTES_MOST = 1 << 24
ENTERPRISE_MOST = (1 << 31) - 1


class Over(StrEnum):
    """What carries the messages."""

    UNIX = "unix"
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


_PORTS = {Over.UDP: UDP_PORT, Over.TCP: TCP_PORT, Over.TLS: TLS_PORT}


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """``type = "syslog"``."""

    over: Over = Over.UNIX
    """What carries the messages."""
    path: Path = Path("/dev/log")
    """The unix socket: of datagrams, or else of a stream."""
    host: str | None = None
    """The receiver over udp, tcp and tls, by name or address."""
    port: int | None = None
    """The receiver's port. Without it: 514, and 6514 over tls."""
    tls: TlsSettings | None = None
    """For tls, optional."""
    framing: Framing = Framing.OCTET_COUNTING
    """How messages are separated on a stream (RFC 6587)."""
    facility: Facility = Facility.DAEMON
    """The facility of all messages."""
    enterprise: int = EXAMPLE_ENTERPRISE
    """The private enterprise number in the name of the structured data."""
    max_bytes: int | None = None
    """Bytes of the largest message; a larger one is a dead letter. 8192 for udp, else 65536."""

    def __post_init__(self) -> None:
        if self.host is not None and self.over is Over.UNIX:
            raise ValueError('host goes with over = "udp", "tcp" or "tls"; the default is unix')
        if self.host is None and self.over is not Over.UNIX:
            raise ValueError(f'over = "{self.over}" needs host')
        if self.tls is not None and self.over is not Over.TLS:
            raise ValueError('the table tls is for over = "tls"')
        if self.port is not None and not 0 < self.port <= PORT_MOST:
            raise ValueError(f"port is between 1 and {PORT_MOST}")
        if not 0 <= self.enterprise <= ENTERPRISE_MOST:
            raise ValueError(f"enterprise is between 0 and {ENTERPRISE_MOST}")
        limit = self.max_bytes
        if limit is not None and not MAX_BYTES_LEAST <= limit <= MAX_BYTES_MOST:
            raise ValueError(f"max_bytes is between {MAX_BYTES_LEAST} and {MAX_BYTES_MOST}")

    @property
    def address(self) -> Address:
        """Where udp, tcp and tls go."""
        return Address(self.host or "", self.port or _PORTS[self.over])

    @property
    def largest(self) -> int:
        """The most bytes of a message."""
        return self.max_bytes or (DATAGRAM_BYTES if self.over is Over.UDP else STREAM_BYTES)

    @property
    def peer(self) -> str:
        """Where messages go, for people."""
        return str(self.path) if self.over is Over.UNIX else f"{self.over}://{self.address}"

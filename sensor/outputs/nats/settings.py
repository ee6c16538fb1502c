"""``type = "nats"``: its keys, and what they may be."""

from __future__ import annotations

import re

from sensor.dataclass import dataclass
from sensor.outputs.network.dial import Address
from sensor.outputs.network.tls import TlsSettings
from sensor.settings.secret import Secret

NATS_PORT = 4222
SERVERS_MOST = 16
HOST, TYPE = "{host}", "{type}"
"""Places in a subject for the node's name and the event's type."""

_SERVER = re.compile(r"(?:nats|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?")
_SUBJECT = re.compile(r"[A-Za-z0-9_$=:{}-]+(?:\.[A-Za-z0-9_$=:{}-]+)*")
_NO_TOKEN = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """``type = "nats"``."""

    servers: tuple[str, ...]
    """``nats://HOST:PORT`` or ``tls://HOST:PORT`` of one cluster. The first that works is used."""
    subject: str = "castoff.events"
    """The subject. ``{host}`` is the node's name, ``{type}`` the event's type."""
    stream: str | None = None
    """The stream that must store the event. Without it: any stream that takes the subject."""
    user: str | None = None
    """The user."""
    password: Secret | None = None
    """The password of ``user``."""
    token: Secret | None = None
    """A token, in place of user and password."""
    tls: TlsSettings | None = None
    """For ``tls://``, optional."""

    def __post_init__(self) -> None:
        if not 0 < len(self.servers) <= SERVERS_MOST:
            raise ValueError(f"servers has 1 to {SERVERS_MOST} of nats://HOST:PORT")
        for server in self.servers:
            if not _SERVER.fullmatch(server):
                # It may hold a password and is not repeated.
                raise ValueError("each of servers is nats://HOST:PORT or tls://HOST:PORT")
        if len({self.is_secure(server) for server in self.servers}) > 1:
            raise ValueError("servers are either all nats:// or all tls://")
        if self.tls is not None and not self.secure:
            raise ValueError("the table tls is for servers of tls://")
        plain = self.subject.replace(HOST, "h").replace(TYPE, "t")
        if not _SUBJECT.fullmatch(plain) or "{" in plain or "}" in plain:
            raise ValueError("subject is words with dots between; {host} and {type} are filled in")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.user is not None and self.token is not None:
            raise ValueError("user is not set beside token")

    @staticmethod
    def is_secure(server: str) -> bool:
        """Return whether a server is spoken to over TLS."""
        return server.startswith("tls://")

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.is_secure(self.servers[0])

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where the servers listen."""
        found = (_SERVER.fullmatch(server) for server in self.servers)
        return tuple(
            Address(one[1].strip("[]"), int(one[2] or NATS_PORT))
            for one in found
            if one is not None
        )

    def subject_of(self, host: str | None, kind: str) -> str:
        """Return the subject of an event: no name in it adds a token or a wildcard."""
        token = _NO_TOKEN.sub("_", host or "unknown") or "unknown"
        type_ = ".".join(_NO_TOKEN.sub("_", word) or "_" for word in kind.split("."))
        return self.subject.replace(HOST, token).replace(TYPE, type_)

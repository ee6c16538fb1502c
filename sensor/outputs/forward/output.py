"""``type = "forward"``: Fluentd Forward over TCP or TLS, with acknowledgements."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.errors import ConfigError
from sensor.outputs.forward import record
from sensor.outputs.forward.chunk import Encoding
from sensor.outputs.forward.handshake import Credentials
from sensor.outputs.forward.record import Detail
from sensor.outputs.forward.transport import Forward, Login, Timing
from sensor.outputs.network.dial import CONNECT_SECONDS, Address
from sensor.outputs.network.tls import TlsSettings
from sensor.outputs.registry import OutputKind
from sensor.settings.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.delivery import Document, Format, Record
    from sensor.outputs.registry import Surroundings

PORT = 24224
PORT_MAX = 65535
SERVERS_MAX = 16
WINDOW = 4
WINDOW_MAX = 64
LEVEL = 6
LEVEL_MAX = 9
TAG_LIMIT = 128
NO_SECRET = Secret()

_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+))(?::([0-9]{1,5}))?")
_TAG = re.compile(rf"[A-Za-z0-9_.-]{{1,{TAG_LIMIT}}}")


class ForwardCompression(StrEnum):
    """What is done to the events of a chunk."""

    GZIP = "gzip"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """``type = "forward"``."""

    servers: tuple[str, ...]
    """``host``, ``host:port`` or ``[IPv6]:port``; the first that works is used."""
    tag: str = "castoff.event"
    """The tag by which receivers route."""
    detail: Detail = Detail.FULL
    """``compact`` omits evidence, the cgroup, and the time of observation; for ``native`` only."""
    shared_key: Secret = NO_SECRET
    """The server's ``security.shared_key``. The server then sends the first message."""
    user: str = ""
    """The user, for servers that require one beside the key."""
    password: Secret = NO_SECRET
    """The password of ``user``."""
    hostname: str = ""
    """The client's name in the handshake. Without it: ``castoff.`` and the host's name."""
    tls: TlsSettings | None = None
    """Use TLS. An empty table takes the system's authorities."""
    compression: ForwardCompression = ForwardCompression.GZIP
    """Compress the events of a chunk."""
    level: int = LEVEL
    """zlib's level, 1 to 9."""
    window: int = WINDOW
    """Most chunks without an acknowledgement, 1 to 64."""
    connect_seconds: float = CONNECT_SECONDS
    """Limit in seconds for lookup, connection and TLS together, and again for the handshake."""
    ack_seconds: float = 60.0
    """Limit in seconds for the acknowledgement of a chunk."""
    rest_seconds: float = 60.0
    """Seconds for which other servers are preferred after a server failed."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.servers) <= SERVERS_MAX:
            raise ValueError(f"servers lists 1 to {SERVERS_MAX} servers")
        for server in self.servers:
            address_of(server)
        if not _TAG.fullmatch(self.tag):
            raise ValueError(f"tag has 1 to {TAG_LIMIT} of A-Z, a-z, 0-9, _, . and -")
        if not 1 <= self.level <= LEVEL_MAX:
            raise ValueError(f"level is between 1 and {LEVEL_MAX}")
        if not 1 <= self.window <= WINDOW_MAX:
            raise ValueError(f"window is between 1 and {WINDOW_MAX}")
        if min(self.connect_seconds, self.ack_seconds, self.rest_seconds) <= 0:
            raise ValueError("connect_seconds, ack_seconds and rest_seconds are more than 0")
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password belong together")
        if self.user and not self.shared_key:
            raise ValueError("user goes with a shared_key: Forward asks for both or the key alone")


def address_of(server: str) -> Address:
    """Return the address that a setting names. Raises ValueError."""
    found = _SERVER.fullmatch(server)
    port = PORT if found is None or found[3] is None else int(found[3])
    if found is None or not 1 <= port <= PORT_MAX:
        raise ValueError(f"servers: {server!r} is not a server: write host:port or [IPv6]:port")
    return Address(found[1] or found[2], port)


def make(settings: ForwardSettings, form: Format, surroundings: Surroundings) -> Forward:
    """Make the transport. Raises :class:`ConfigError`."""
    if form.document is None:
        problem = f"output {surroundings.output}: Forward carries documents, not lines of text"
        raise ConfigError(problem, "Use another format than " + form.name + ".")
    if form.name == "native":
        compact = settings.detail is Detail.COMPACT
        document: Callable[[Record], Document] = record.compact if compact else record.native
    else:
        document = record.of_format(form.document)
    credentials = None
    if settings.shared_key:
        credentials = Credentials(
            settings.hostname or f"castoff.{surroundings.host.name}",
            settings.shared_key.reveal(),
            settings.user,
            settings.password.reveal(),
        )
    level = settings.level if settings.compression is ForwardCompression.GZIP else 0
    return Forward(
        tuple(address_of(server) for server in settings.servers),
        Login(settings.tls, credentials),
        Encoding(settings.tag, level, document),
        Timing(settings.connect_seconds, settings.ack_seconds, settings.rest_seconds),
        settings.window,
    )


OUTPUT = OutputKind(
    settings=ForwardSettings, make=make, formats=("native", "ocsf", "ecs", "otel", "cloudevents")
)

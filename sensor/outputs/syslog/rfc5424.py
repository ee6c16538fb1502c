r"""Syslog messages of RFC 5424 and their framing of RFC 6587: pure.

    <PRI>1 TIMESTAMP HOSTNAME castoff - MSGID [castoff@PEN id="…" type="…" container="…"] MSG

- TIMESTAMP is the event's, with the six digits that section 6.2.3 allows; HOSTNAME the event's host
  in printable ASCII, at most 255 characters (6.2.4); MSGID the event's type;
- PROCID is ``-``: the same event is the same bytes in every delivery;
- a value of structured data escapes ``"``, ``\`` and ``]`` (6.3.3), and what does not print;
- MSG begins with a byte order mark when it has anything beyond ASCII (6.4).
"""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.model.vocabulary import EventType
from sensor.schema.times import rfc3339

if TYPE_CHECKING:
    from sensor.outputs.delivery import Record

APP_NAME = "castoff"
EXAMPLE_ENTERPRISE = 32473
"""The enterprise number of examples (RFC 5612); a site that has its own sets it."""
HOSTNAME_MAX = 255
MSGID_MAX = 32
BOM = b"\xef\xbb\xbf"
MICROSECOND_DIGITS = len("2026-01-01T00:00:00.000000")


class Facility(StrEnum):
    """Where a message belongs; the words are those of syslog.h."""

    USER = "user"
    DAEMON = "daemon"
    AUTH = "auth"
    AUTHPRIV = "authpriv"
    LOCAL0 = "local0"
    LOCAL1 = "local1"
    LOCAL2 = "local2"
    LOCAL3 = "local3"
    LOCAL4 = "local4"
    LOCAL5 = "local5"
    LOCAL6 = "local6"
    LOCAL7 = "local7"


FACILITY_CODES = {
    Facility.USER: 1,
    Facility.DAEMON: 3,
    Facility.AUTH: 4,
    Facility.AUTHPRIV: 10,
    **{facility: 16 + number for number, facility in enumerate(list(Facility)[4:])},
}
"""RFC 5424 section 6.2.1."""


class SyslogSeverity(IntEnum):
    """How much a message matters, RFC 5424 section 6.2.1."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6


SEVERITIES: dict[str, SyslogSeverity] = {
    EventType.ALERT: SyslogSeverity.WARNING,
    EventType.GAP: SyslogSeverity.ERROR,
    EventType.START_FAILED: SyslogSeverity.NOTICE,
    EventType.START: SyslogSeverity.NOTICE,
}
"""Of the event types above informational. A gap is an error: something was not seen."""


class Framing(StrEnum):
    """How messages follow each other on a stream, RFC 6587 section 3.4."""

    OCTET_COUNTING = "octet-counting"
    NEWLINE = "newline"


@dataclass(frozen=True, slots=True)
class SyslogHeader:
    """What all messages of an output have in common."""

    facility: Facility = Facility.DAEMON
    enterprise: int = EXAMPLE_ENTERPRISE


class Unreadable(Exception):
    """The record's line is not an event: its host and container are unknown."""


def message(header: SyslogHeader, record: Record, text: bytes) -> bytes:
    """Return a record as a message, with ``text`` (one line, UTF-8) as its MSG.

    Raises Unreadable.
    """
    host, container = _places(record.line)
    severity = SEVERITIES.get(record.type, SyslogSeverity.INFORMATIONAL)
    data = f"castoff@{header.enterprise} id={_quoted(record.id)} type={_quoted(record.type)}"
    if container is not None:
        data += f" container={_quoted(container)}"
    head = (
        f"<{FACILITY_CODES[header.facility] * 8 + severity}>1 {_timestamp(record.wall)}"
        f" {_name(host, HOSTNAME_MAX)} {APP_NAME} - {_name(record.type, MSGID_MAX)} [{data}] "
    )
    body = text.rstrip(b"\r\n")
    mark = b"" if body.isascii() else BOM
    return head.encode() + mark + body


def frame(framing: Framing, content: bytes) -> bytes:
    """Return a message as it stands on a stream.

    A message has no newline inside: formats give one line, and structured data escapes it.
    """
    if framing is Framing.OCTET_COUNTING:
        return b"%d %b" % (len(content), content)
    return content + b"\n"


def _places(line: bytes) -> tuple[object, str | None]:
    """Return the names of the event's host and container."""
    try:
        event = json.loads(line)
        host, container = event["host"]["name"], event["container"]
        return host, None if container is None else str(container["id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"the event is not readable: {type(error).__name__}") from error


def _timestamp(wall: int) -> str:
    text = rfc3339(wall)
    return "-" if text is None else text[:MICROSECOND_DIGITS] + "Z"


def _name(value: object, limit: int) -> str:
    """Return a field of the header: printable ASCII without spaces, or the nil value."""
    if not isinstance(value, str):
        return "-"
    kept = "".join(char if "!" <= char <= "~" else "_" for char in value[:limit])
    return kept or "-"


def _quoted(value: str) -> str:
    r"""Return a quoted value of structured data; what does not print becomes ``?``."""
    text = "".join(char if char.isprintable() else "?" for char in value)
    for special in ("\\", '"', "]"):
        text = text.replace(special, "\\" + special)
    return f'"{text}"'

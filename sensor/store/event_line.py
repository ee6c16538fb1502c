"""What an event's own JSON line holds of what also stands in the log's columns."""

from __future__ import annotations

import calendar
import json
import re

from sensor.dataclass import dataclass
from sensor.store.entry import ID_LIMIT, pack, text

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class EventLine:
    """Members of an event that the log has columns for; None for those that the line lacks."""

    id: str | None = None
    type: str | None = None
    wall: int | None = None
    boot_id: str | None = None
    container: str | bytes | None = None
    name: str | None = None

    @classmethod
    def of(cls, line: bytes) -> EventLine:
        """Read a line. Nothing is known of one that is not a JSON object."""
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(document, dict):
            return cls()
        container, host = document.get("container"), document.get("host")
        container_id = _text(container, "id")
        name = _text(container, "name")
        moment = document.get("time")
        return cls(
            id=_text(document, "id"),
            type=_text(document, "type"),
            wall=_wall(moment) if isinstance(moment, str) else None,
            boot_id=_text(host, "boot_id"),
            container=pack(container_id) if container_id is not None else None,
            name=text(name) if name is not None else None,
        )


def _text(document: object, key: str) -> str | None:
    value = document.get(key) if isinstance(document, dict) else None
    return value[:ID_LIMIT] if isinstance(value, str) else None


def _wall(moment: str) -> int | None:
    """Return an RFC 3339 time of a log in ns since the epoch."""
    match = _TIME.fullmatch(moment)
    if match is None:
        return None
    seconds = calendar.timegm(tuple(int(part) for part in match.groups()[:6]))
    return seconds * _SECOND + int((match[7] or "0").ljust(9, "0"))

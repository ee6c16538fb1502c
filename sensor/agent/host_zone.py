"""The time zones that this host knows, and its own one.

    /etc/localtime -> /usr/share/zoneinfo/Europe/Berlin    the zone by its name
    /etc/localtime, a copy                                 the zone that the file holds
    neither                                                UTC

Nothing else is asked: the environment of an agent is not the host's.
"""

from __future__ import annotations

import io
import struct
from datetime import UTC, tzinfo
from pathlib import Path

LOCALTIME = Path("/etc/localtime")
ZONEINFO = "zoneinfo/"
ZONE_MAX = 1 << 20
"""Bytes of a zone's file; the largest of tzdata has less than 4 KiB."""


def zone_of(name: str | None) -> tzinfo:
    """Return the zone of an IANA name, the host's for None.

    Raises ValueError for a name that is unknown here: slim images lack the package ``tzdata``.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # windows alone need it

    if name is None:
        name = _host_zone()
        if name is None:
            return _copied_zone() or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{name[:64]!r} is not a known zone on this host"
        raise ValueError(message) from error


def local_zone() -> tzinfo:
    """Return the host's zone; UTC where it is unknown."""
    try:
        return zone_of(None)
    except ValueError:
        return UTC


def _host_zone() -> str | None:
    """Return the host's zone by where /etc/localtime points (localtime(5)); None for a copy."""
    try:
        target = str(LOCALTIME.resolve())
    except (OSError, RuntimeError):
        return None
    _, found, name = target.partition(ZONEINFO)
    return name or None if found else None


def _copied_zone() -> tzinfo | None:
    """Return the zone of an /etc/localtime that is a file of its own, as in containers."""
    from zoneinfo import ZoneInfo

    try:
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(io.BytesIO(file.read(ZONE_MAX)))
    except (OSError, ValueError, EOFError, struct.error):
        return None

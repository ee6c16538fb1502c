"""An event as the log takes it and gives it back."""

from __future__ import annotations

import re

from sensor.dataclass import dataclass
from sensor.frozen import quick

ID_LIMIT = 1024
"""Characters of an event's or container's id and name that are kept; the body has them whole."""

BODY_LIMIT = 1 << 20
"""Bytes of one body. A longer one is refused and counted as lost."""

ENTRY_OVERHEAD = 512
"""Bytes that an entry in memory is taken to cost beside its body."""

INT64 = 1 << 63

_PACKED = re.compile(r"(?:[0-9a-f]{32}){1,2}")
_PACKED_SIZES = (16, 32)
_PREFIX = re.compile(r"[0-9a-f]{1,64}")
_LAST = "\U0010ffff"


@quick
@dataclass(frozen=True, slots=True)
class NewEntry:
    """An event to be kept.

    ``time`` is ns since boot, ``wall`` the same moment in ns since the Unix epoch as the clock
    stood when the event was made. ``body`` is the event's JSON line.
    """

    id: str
    type: str
    time: int
    wall: int
    boot_id: str
    container_id: str | None
    name: str | None
    body: bytes

    @property
    def cost(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.body) + ENTRY_OVERHEAD


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event with its place in the log. Sequences rise; they may have holes.

    ``link`` is its number in the chain, without holes; None before it is written, and for an event
    of an agent that kept no chain.
    """

    sequence: int
    entry: NewEntry
    link: int | None = None


def text(value: str) -> str:
    """SQLite takes no lone surrogates: what is not a text in an id is written as escapes."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def pack(value: str) -> str | bytes:
    """Return an id as it stands in the file: 32 or 64 lower-case hex digits as bytes."""
    if _PACKED.fullmatch(value):
        return bytes.fromhex(value)
    return text(value)[:ID_LIMIT]


def unpack(cell: object) -> str:
    """Undo :func:`pack`; raises ValueError for what it never writes."""
    if isinstance(cell, bytes):
        if len(cell) not in _PACKED_SIZES:
            message = f"an id of {len(cell)} bytes"
            raise ValueError(message)
        return cell.hex()
    return string(cell)


def prefix_ranges(prefix: str) -> tuple[tuple[str | bytes, str | bytes], ...]:
    """Return the inclusive ranges of packed ids that begin with ``prefix``."""
    start = text(prefix)[:ID_LIMIT]
    ranges: list[tuple[str | bytes, str | bytes]] = [(start, start + _LAST)]
    if _PREFIX.fullmatch(prefix):
        low = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
        ranges.append((low, bytes.fromhex(prefix.ljust(64, "f"))))
    return tuple(ranges)


def string(cell: object) -> str:
    """Return a cell that must be text; raises ValueError."""
    if not isinstance(cell, str):
        message = f"{cell!r} where text should be"
        raise ValueError(message)
    return cell


def number(cell: object) -> int:
    """Return a cell that must be a whole number; raises ValueError."""
    if not isinstance(cell, int):
        message = f"{cell!r} where a number should be"
        raise ValueError(message)
    return cell


def blob(cell: object) -> bytes:
    """Return a cell that must be bytes; raises ValueError."""
    if not isinstance(cell, bytes):
        message = f"{cell!r} where bytes should be"
        raise ValueError(message)
    return cell

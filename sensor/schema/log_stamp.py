"""The ``log`` block of an event's line: which log holds it, under which number.

The log keeps each line with ``"log":null`` at its end: the digests of the chain are made of that.
The block is filled in when an event is read from the log, and nothing else of the line changes.
"""

from __future__ import annotations

import re

from sensor.dataclass import dataclass

_EMPTY = b',"log":null}\n'
_STAMP = re.compile(rb',"log":\{"id":"([0-9a-f]{1,64})","sequence":(\d{1,18})\}\}\n?\Z')
_TAIL = 128
"""Bytes at the end of a line in which a stamp stands."""


@dataclass(frozen=True, slots=True)
class LogPlace:
    """An event's place: the log's name, and its number in that log."""

    log_id: str
    number: int


def stamped(line: bytes, log_id: str, number: int | None) -> bytes:
    """Return the line with its place; as it is where the place is unknown, or for other bytes."""
    if number is None:
        return line
    if line.endswith(_EMPTY):
        head = line[: -len(_EMPTY)]
    else:
        # An event of an agent that kept no chain has no place.
        return line
    return b'%b,"log":{"id":"%b","sequence":%d}}\n' % (head, log_id.encode("ascii"), number)


def place_of(line: bytes) -> LogPlace | None:
    """Return the place in a line's stamp."""
    found = _STAMP.search(line[-_TAIL:])
    return None if found is None else LogPlace(found[1].decode("ascii"), int(found[2]))


def bare(line: bytes) -> bytes:
    """Return the line as the log keeps it: with its newline and without a place."""
    found = _STAMP.search(line[-_TAIL:])
    if found is None:
        return line if line.endswith(b"\n") else line + b"\n"
    return line[: len(line) - (len(found[0]))] + _EMPTY

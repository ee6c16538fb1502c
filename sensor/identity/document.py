"""JSON of foreign origin, read once and narrowed to types at every access.

A :class:`JsonDocument` never raises and never coerces: a member of the wrong type reads as absent.
Bytes are decoded as UTF-8 with ``surrogateescape``, as everywhere in Castoff.
"""

from __future__ import annotations

import json
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.identity.files import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUES = 524_288
"""Most values in one document, estimated by its commas and brackets before parsing.

Python needs some 60 bytes for a value that JSON writes in two, so the size of the file alone
bounds nothing.
"""

MAX_ITEMS = 4096
"""Most elements or members that one access returns."""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """One JSON object."""

    _members: Mapping[str, object] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        """Return whether the object has any member."""
        return bool(self._members)

    def has(self, key: str) -> bool:
        """Return whether ``key`` is a member, with any value but null."""
        return self._members.get(key) is not None

    def text(self, key: str) -> str | None:
        """Return the string at ``key``; None for an empty one."""
        value = self._members.get(key)
        return value if value and isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """Return the integer at ``key``. None for a boolean, which Python counts as an integer."""
        value = self._members.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, key: str) -> bool | None:
        """Return the boolean at ``key``."""
        value = self._members.get(key)
        return value if isinstance(value, bool) else None

    def part(self, key: str) -> JsonDocument:
        """Return the object at ``key``, an empty one where there is none."""
        value = self._members.get(key)
        return JsonDocument(value) if value and isinstance(value, dict) else EMPTY

    def parts(self, key: str) -> tuple[JsonDocument, ...]:
        """Return the objects in the array at ``key``, skipping all other values."""
        value = self._members.get(key)
        return objects_of(value) if isinstance(value, list) else ()

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return the array of strings at ``key``; None if absent or of another type."""
        value = self._members.get(key)
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            return None
        strings = [item for item in value if isinstance(item, str)]
        return tuple(strings) if len(strings) == len(value) else None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the members whose value is a string, in the order of the file."""
        strings = ((key, value) for key, value in self._members.items() if isinstance(value, str))
        return tuple(islice(strings, MAX_ITEMS))

    def named_parts(self) -> tuple[tuple[str, JsonDocument], ...]:
        """Return the members whose value is an object, in the order of the file."""
        found = (
            (key, JsonDocument(value))
            for key, value in self._members.items()
            if isinstance(value, dict)
        )
        return tuple(islice(found, MAX_ITEMS))


EMPTY = JsonDocument()
"""No object, or one without members."""

_DECODER = json.JSONDecoder()
_WHITESPACE = " \t\n\r"


def objects_of(values: list[object]) -> tuple[JsonDocument, ...]:
    """Wrap the objects among ``values``."""
    return tuple([JsonDocument(value) for value in values if isinstance(value, dict)])


def parse(data: bytes) -> JsonDocument | Failure:
    """Read a JSON object."""
    value = _value(data)
    if isinstance(value, Failure):
        return value
    return JsonDocument(value) if isinstance(value, dict) else Failure.WRONG_TYPE


def parse_array(data: bytes) -> tuple[JsonDocument, ...] | Failure:
    """Read a JSON array of objects; containers-storage writes ``null`` for an empty one."""
    value = _value(data)
    if isinstance(value, Failure):
        return value
    if value is None:
        return ()
    return objects_of(value) if isinstance(value, list) else Failure.WRONG_TYPE


def parse_text(text: str) -> JsonDocument | Failure:
    """Read a JSON object that is itself a string of another document."""
    return parse(text.encode("utf-8", "surrogatepass"))


def _marks(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _value(data: bytes) -> object:
    if len(data) > MAX_VALUES and _marks(data) > MAX_VALUES:
        return Failure.TOO_MANY_VALUES
    text = data.decode("utf-8", "surrogateescape").strip(_WHITESPACE)
    value: object
    try:
        # What json.loads does, without the expressions that look for whitespace.
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        return Failure.TOO_DEEP
    except ValueError:
        return Failure.MALFORMED
    return value if end == len(text) else Failure.MALFORMED

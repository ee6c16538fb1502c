"""Reading an event back from its native line, for the formats that make something else of it.

Readers are forgiving in what may change and strict in what may not: a key that is unknown is passed
over, one that is missing is unknown, and a value of a type that the schema does not know, or a line
that is not JSON, is :class:`LineDamaged`.

What comes out is bounded and valid whatever the line holds: texts are cut at ``TEXT_LIMIT``
characters and lists and tables at ``ITEMS_LIMIT`` entries, and a lone surrogate, which no strict
reader of JSON takes, is replaced. The native format ships the line itself, whole.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from sensor.dataclass import dataclass
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from sensor.outputs.delivery import Record

TEXT_LIMIT = 4096
"""Characters of one text. Search engines index no keyword over 32,766 bytes (Lucene)."""
ITEMS_LIMIT = 128
"""Entries of one list, and of the labels."""
CUT = "…"

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


class LineDamaged(ValueError):
    """A line of the log that is not an event; the message says where."""


class Block:
    """A block of the document. A null one has nothing in it and is false."""

    __slots__ = ("_path", "_values")

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def __bool__(self) -> bool:
        return bool(self._values)

    def whole(self) -> dict[str, Any]:
        """Return all of it, as JSON values."""
        return self._values

    def text(self, key: str) -> str | None:
        """Return a text, None when it is unknown or empty."""
        value = self._values.get(key)
        if value is not None and type(value) is not str:
            self._damaged(key)
        return value or None

    def number(self, key: str) -> int | None:
        """Return a whole number."""
        value = self._values.get(key)
        if value is not None and type(value) is not int:
            self._damaged(key)
        return value

    def seconds(self, key: str) -> float | None:
        """Return a number of seconds."""
        value = self._values.get(key)
        if value is not None and type(value) not in {int, float}:
            self._damaged(key)
        return value

    def flag(self, key: str) -> bool | None:
        """Return true, false or unknown."""
        value = self._values.get(key)
        if value is not None and type(value) is not bool:
            self._damaged(key)
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts, empty when it is unknown."""
        values = self._values.get(key)
        if values is None:
            return []
        if type(values) is not list or any(type(value) is not str for value in values):
            self._damaged(key)
        return values

    def pairs(self, key: str) -> list[tuple[str, str]]:
        """Return a table of texts, empty when it is unknown."""
        values = self._values.get(key)
        if values is None:
            return []
        if type(values) is not dict or any(type(value) is not str for value in values.values()):
            self._damaged(key)
        return list(values.items())

    def block(self, key: str) -> Block:
        """Return the block under ``key``."""
        value = self._values.get(key)
        if value is None:
            return _NOTHING
        if type(value) is not dict:
            self._damaged(key)
        return Block(value, f"{self._path}{key}.")

    def blocks(self, key: str) -> list[Block]:
        """Return a list of blocks, empty when it is unknown."""
        values = self._values.get(key)
        if values is None:
            return []
        if type(values) is not list or any(type(value) is not dict for value in values):
            self._damaged(key)
        return [Block(value, f"{self._path}{key}.") for value in values]

    def raw(self, key: str) -> object:
        """Return what stands under ``key`` as it is."""
        return self._values.get(key)

    def _damaged(self, key: str) -> NoReturn:
        raise LineDamaged(f"{self._path}{key} is of another type than the schema says")


_NOTHING = Block({})


@dataclass(frozen=True, slots=True)
class EventReading:
    """An event as it was read. ``cut`` is true if something of it was too long."""

    root: Block
    type: EventType
    id: str
    wall: int
    """The event's time in ns since the Unix epoch."""
    time: str
    observed: str
    host: Block
    container: Block
    cut: bool
    size: int
    """Bytes of the native line."""


def read(record: Record) -> EventReading:
    """Return the event of a record. Raises :class:`LineDamaged`."""
    values = _parse(record.line)
    cut = False
    if len(record.line) > TEXT_LIMIT or b"\\ud" in record.line:
        values, cut = _bounded_table(values)
    root = Block(values)
    name, id_, time = root.text("type"), root.text("id"), root.text("time")
    if name is None or id_ is None or time is None:
        raise LineDamaged("type, id or time is missing")
    try:
        type_ = EventType(name)
    except ValueError:
        raise LineDamaged(f"{name[:40]!a} is not a type of event") from None
    return EventReading(
        root=root,
        type=type_,
        id=id_,
        wall=wall_of(time),
        time=time,
        observed=root.text("observed") or time,
        host=root.block("host"),
        container=root.block("container"),
        cut=cut,
        size=len(record.line),
    )


def wall_of(text: str) -> int:
    """Return a time of the schema in ns since the Unix epoch. Raises :class:`LineDamaged`."""
    # 0123456789012345678901234567890
    # 2023-11-14T22:13:33.000000123Z
    try:
        return _seconds(text[:19]) * NS_PER_SECOND + int(text[20:29])
    except (ValueError, IndexError):
        raise LineDamaged(f"{text[:40]!a} is not a time of the schema") from None


@lru_cache(maxsize=256)
def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def known(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block without the nulls, empty lists and empty blocks in it."""
    kept: dict[str, Any] = {}
    for key, value in block.items():
        if value is None:
            continue
        if type(value) is dict:
            inner = known(value)
            if inner:
                kept[key] = inner
        elif type(value) is list:
            if value:
                kept[key] = [known(item) if type(item) is dict else item for item in value]
        else:
            kept[key] = value
    return kept


def _parse(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise LineDamaged("the line is nested without end") from None
    except ValueError as error:
        raise LineDamaged(f"the line is not JSON: {str(error)[:80]}") from None
    if type(values) is not dict:
        raise LineDamaged("the line is not a document")
    return values


def _finite(number: str) -> float:
    """Return a number; JSON has no infinity, but 1e999 is one for Python."""
    value = float(number)
    return value if isfinite(value) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant[:20]} is not a number")


def _bounded(value: object) -> tuple[object, bool]:
    """Return a value with its texts, lists and tables cut to their limits, and whether it was."""
    if isinstance(value, str):
        cut = len(value) > TEXT_LIMIT
        if cut:
            value = value[: TEXT_LIMIT - 1] + CUT
        if not value.isascii():
            value = value.encode("utf-8", "replace").decode("utf-8")
        return value, cut
    if isinstance(value, list):
        items = [_bounded(item) for item in value[:ITEMS_LIMIT]]
        cut = len(value) > ITEMS_LIMIT or any(short for _, short in items)
        return [item for item, _ in items], cut
    return _bounded_table(value) if isinstance(value, dict) else (value, False)


def _bounded_table(values: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    entries = [(_bounded(key), _bounded(item)) for key, item in list(values.items())[:ITEMS_LIMIT]]
    cut = len(values) > ITEMS_LIMIT or any(key[1] or item[1] for key, item in entries)
    return {str(key[0]): item[0] for key, item in entries}, cut

"""Whose oldest entry goes when the chain holds too many: no namespace pushes out the others'.

A namespace that has more than half gives up its own oldest. Else the namespaces give up theirs in
turn. This is the one place where that is decided: for the tables of pods and workloads, and for the
records in lists (:mod:`~sensor.correlate.chain_records`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field
from typing import Generic, TypeVar, cast

from sensor.dataclass import dataclass

Home = tuple[str | None, str | None]
"""Cluster and namespace; for a cloud account and region."""
Item = TypeVar("Item")
Key = TypeVar("Key")
Value = TypeVar("Value")


class _Row(Generic[Item]):
    """Items in the order of entering. An empty deque takes 600 bytes, and there are thousands."""

    __slots__ = ("_begin", "_items")

    def __init__(self) -> None:
        self._items: list[Item | None] = []
        self._begin = 0

    def __len__(self) -> int:
        return len(self._items) - self._begin

    def append(self, item: Item) -> None:
        self._items.append(item)

    def pop(self) -> Item:
        """Take the oldest item out."""
        items, begin = self._items, self._begin
        item = items[begin]
        items[begin] = None
        self._begin = begin + 1
        if 2 * self._begin > len(items):
            del items[: self._begin]
            self._begin = 0
        return cast("Item", item)


class Turns(Generic[Item]):
    """Items of namespaces, at most ``limit`` of them, each namespace's in the order of entering."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._homes: OrderedDict[Home, _Row[Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, home: Home, item: Item) -> tuple[Home, Item] | None:
        """Enter an item; return the one that has to go for it."""
        items = self._homes.get(home)
        if items is None:
            items = self._homes[home] = _Row()
        items.append(item)
        self._length += 1
        if self._length <= self._limit:
            return None
        giving = home if len(items) > self._limit // 2 else next(iter(self._homes))
        return giving, self._oldest(giving)

    def _oldest(self, home: Home) -> Item:
        """Take the oldest of a namespace, whose turn comes again after the others'."""
        items = self._homes[home]
        self._length -= 1
        item = items.pop()
        if len(items):
            self._homes.move_to_end(home)
        else:
            del self._homes[home]
        return item


@dataclass(slots=True, eq=False)
class _Entry(Generic[Value]):
    value: Value
    written: bool = field(default=False)
    """It was put again since it came to the end of its namespace's row."""


class NamespaceTable(Generic[Key, Value]):
    """A table of at most ``limit`` entries; what was not put for longest goes first."""

    def __init__(self, limit: int) -> None:
        self._entries: dict[Key, _Entry[Value]] = {}
        self._turns: Turns[Key] = Turns(limit)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def put(self, key: Key, value: Value, home: Home) -> tuple[Key, Value] | None:
        """Enter or replace; return the entry that had to go for it."""
        known = self._entries.get(key)
        if known is not None:
            known.value, known.written = value, True
            return None
        self._entries[key] = _Entry(value)
        going = self._turns.add(home, key)
        while going is not None:
            entry = self._entries[going[1]]
            if not entry.written:
                del self._entries[going[1]]
                return going[1], entry.value
            entry.written = False
            going = self._turns.add(*going)
        return None

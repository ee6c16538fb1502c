"""A mapping with a limit: beyond it the entry that was put longest ago goes, and is counted.

For what any process of the node can fill, each user needs a share of its own:
:class:`sensor.shares.SharedTable`. Not for several threads without a lock.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, ValuesView

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """At most ``limit`` entries, in the order in which they were put."""

    __slots__ = ("_entries", "evicted", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.evicted = 0
        """Entries that went because there were too many."""
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def put(self, key: Key, value: Value) -> tuple[Key, Value] | None:
        """Enter or replace, as the newest; return the entry that had to go for it, if one had."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) <= self.limit:
            return None
        self.evicted += 1
        return self._entries.popitem(last=False)

    def get(self, key: Key) -> Value | None:
        """Return the value of a key, None if there is none."""
        return self._entries.get(key)

    def pop(self, key: Key) -> Value | None:
        """Take an entry out; None if there is none."""
        return self._entries.pop(key, None)

    def oldest(self) -> tuple[Key, Value] | None:
        """Return the entry that was put longest ago."""
        return next(iter(self._entries.items()), None)

    def items(self) -> ItemsView[Key, Value]:
        """Return keys and values, the oldest first."""
        return self._entries.items()

    def values(self) -> ValuesView[Value]:
        """Return the values, the oldest first."""
        return self._entries.values()

    def clear(self) -> None:
        """Forget all; this is not counted."""
        self._entries.clear()

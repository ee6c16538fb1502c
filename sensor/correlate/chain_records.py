"""The records that lists of the causal chain hold, at most so many in all.

A list has at most ``WRITES_LIMIT``, and a namespace half of the total: writes of one tenant never
push out those of the others. Beyond the total the namespaces give up their oldest in turn. What
went is counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

WRITES_LIMIT = 128
"""Records in one list: the writes of a workload, what was added to a pod."""
HELD_LIMIT = 40_000
"""Records in all lists."""

Item = TypeVar("Item")
Home = tuple[str | None, str | None]
"""Cluster and namespace."""


class HeldRecords:
    """Appends to lists of others, and takes the oldest out of them again."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._homes: OrderedDict[Home, deque[tuple[list[Any], object]]] = OrderedDict()
        self._held = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return self._held

    def keep(
        self,
        home: Home,
        where: list[Item],
        item: Item,
        time_of: Callable[[Item], int] | None = None,
    ) -> None:
        """Append an item to a list; in the order of time where ``time_of`` is given."""
        where.append(item)
        if time_of is not None and len(where) > 1 and time_of(where[-2]) > time_of(item):
            where.sort(key=time_of)
        entries = self._homes.setdefault(home, deque())
        entries.append((where, item))
        self._held += 1
        if len(where) > WRITES_LIMIT:
            del where[0]
            self.forgotten += 1
        if len(entries) > self._limit // 2:
            self._drop(*entries.popleft())
        elif self._held > self._limit:
            self._give_up()

    def _give_up(self) -> None:
        """Take the oldest of the namespace whose turn it is."""
        home, entries = next(iter(self._homes.items()))
        self._drop(*entries.popleft())
        if entries:
            self._homes.move_to_end(home)
        else:
            del self._homes[home]

    def _drop(self, where: list[Any], item: object) -> None:
        self._held -= 1
        for index, one in enumerate(where):
            if one is item:
                del where[index]
                self.forgotten += 1
                return

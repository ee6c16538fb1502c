"""The records that lists of the causal chain hold, at most so many in all.

A list has at most ``WRITES_LIMIT``. Beyond the total the namespace that holds most gives up its
oldest, so that writes of one tenant never push out those of the others. What went is counted.
"""

from __future__ import annotations

from collections import deque
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
        self._homes: dict[Home, deque[tuple[list[Any], object]]] = {}
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
        self._homes.setdefault(home, deque()).append((where, item))
        self._held += 1
        if len(where) > WRITES_LIMIT:
            del where[0]
            self.forgotten += 1
        if self._held > self._limit:
            self._give_up()

    def _give_up(self) -> None:
        """Take a hundredth of all out, from the namespaces that hold most."""
        wanted = self._limit // 100 + 1
        for home in sorted(self._homes, key=lambda one: len(self._homes[one]), reverse=True):
            entries = self._homes[home]
            for _ in range(min(len(entries), wanted)):
                self._drop(*entries.popleft())
                wanted -= 1
            if not entries:
                del self._homes[home]
            if not wanted:
                return

    def _drop(self, where: list[Any], item: object) -> None:
        self._held -= 1
        for index, one in enumerate(where):
            if one is item:
                del where[index]
                self.forgotten += 1
                return

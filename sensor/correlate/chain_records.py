"""The records that lists of the causal chain hold, at most so many in all.

A list has at most ``WRITES_LIMIT``. Beyond the total :class:`Turns` says whose oldest record goes.
What went is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sensor.correlate.namespace_shares import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.correlate.namespace_shares import Home

WRITES_LIMIT = 128
"""Records in one list: the writes of a workload, what was added to a pod."""
HELD_LIMIT = 40_000
"""Records in all lists."""

Item = TypeVar("Item")


class HeldRecords:
    """Appends to lists of others, and takes the oldest out of them again."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._turns: Turns[tuple[list[Any], object]] = Turns(limit)
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._turns)

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
        if len(where) > WRITES_LIMIT:
            del where[0]
            self.forgotten += 1
        going = self._turns.add(home, (where, item))
        if going is not None:
            self._drop(*going[1])

    def _drop(self, where: list[Any], item: object) -> None:
        for index, one in enumerate(where):
            if one is item:
                del where[index]
                self.forgotten += 1
                return

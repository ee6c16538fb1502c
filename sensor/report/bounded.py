"""Lists and counts with a limit: what is beyond it is counted and not shown."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


class FairList(Generic[T]):
    """The newest entries of each origin, and how many there were.

    Beyond the limit the origin with the most entries loses its oldest: one noisy host hides none of
    the others.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self._kept: dict[str, list[tuple[int, int, T]]] = {}
        self._size = 0

    def add(self, origin: str, wall: int, row: T) -> None:
        """Take one more, of a time in ns. The cut is made in batches, which cost little."""
        self.count += 1
        self._size += 1
        self._kept.setdefault(origin, []).append((wall, self.count, row))
        if self._size >= 2 * self.limit:
            self._cut()

    @property
    def rows(self) -> list[T]:
        """What is kept, in the order of the times."""
        self._cut()
        kept = [entry for entries in self._kept.values() for entry in entries]
        return [row for _, _, row in sorted(kept, key=lambda entry: entry[:2])]

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return max(0, self.count - self.limit)

    def _cut(self) -> None:
        if self._size <= self.limit:
            return
        share = _share(sorted(map(len, self._kept.values())), self.limit)
        for origin, entries in self._kept.items():
            entries.sort(key=lambda entry: entry[:2], reverse=True)
            self._kept[origin] = entries[:share]
        over = sum(map(len, self._kept.values())) - self.limit
        for origin in sorted(self._kept, key=lambda one: -len(self._kept[one]))[: max(0, over)]:
            self._kept[origin].pop()
        self._size = min(self._size, self.limit)


def _share(sizes: list[int], limit: int) -> int:
    """Return how many each may keep at most; together at least ``limit``. Sizes ascend."""
    left = limit
    for number, size in enumerate(sizes):
        others = len(sizes) - number
        if size * others >= left:
            return -(-left // others)
        left -= size
    return limit


class TallyTable(Generic[K, T]):
    """Entries by key; new keys beyond the limit are counted together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: dict[K, T] = {}
        self.left_out = 0

    def get(self, key: K, fresh: T) -> T | None:
        """Return the entry of a key, a ``fresh`` one for a new key; None beyond the limit."""
        found = self.rows.get(key)
        if found is None:
            if len(self.rows) >= self.limit:
                self.left_out += 1
                return None
            found = self.rows[key] = fresh
        return found

"""Lists and counts with a limit: what is beyond it is counted and not shown."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K")


class ShortList(Generic[T]):
    """The first entries of a list, and how many there were."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: list[T] = []
        self.count = 0

    def add(self, row: T) -> None:
        """Take one more."""
        self.count += 1
        if len(self.rows) < self.limit:
            self.rows.append(row)

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.count - len(self.rows)


class Table(Generic[K, T]):
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

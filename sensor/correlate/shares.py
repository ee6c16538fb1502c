"""Bounded tables and budgets with a share for each user.

Root of the host has a share of its own (domain None) that others never take from.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = TypeVar("Key")
Value = TypeVar("Value")

DOMAINS_MAX = 256
"""Users whose budgets are remembered; the one not seen for longest is forgotten."""

NS_PER_SECOND = 1_000_000_000


class SharedTable(Generic[Key, Value]):
    """A table that forgets its oldest entry of the same user first.

    ``limit`` is root's share, ``share`` that of each other user, and all others together have
    ``limit``.
    """

    __slots__ = ("_domains", "_items", "_others", "forgotten", "limit", "share")

    def __init__(self, limit: int, share: int | None = None) -> None:
        self.limit = limit
        self.share = share if share is not None else max(1, limit // 8)
        self.forgotten = 0
        self._items: dict[Key, tuple[Value, str | None]] = {}
        """Each entry with the user whose share it takes."""
        self._domains: OrderedDict[str | None, OrderedDict[Key, None]] = OrderedDict()
        self._others = 0

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: Key) -> bool:
        return key in self._items

    def get(self, key: Key) -> Value | None:
        """Return the entry of that key."""
        found = self._items.get(key)
        return None if found is None else found[0]

    def values(self) -> list[Value]:
        """Every entry, in the order of entering."""
        return [value for value, _ in self._items.values()]

    def latest_first(self) -> Iterator[Value]:
        """Every entry, the one entered last at first."""
        return (value for value, _ in reversed(self._items.values()))

    def put(self, key: Key, value: Value, domain: str | None) -> Value | None:
        """Enter or replace; returns the entry that was forgotten for it, if any."""
        mine = self._domains.get(domain)
        known = self._items.pop(key, None)
        if known is not None and known[1] == domain and mine is not None:
            mine.move_to_end(key)
            self._items[key] = value, domain
            return None
        if known is not None:
            self._release(key, known[1])
            mine = self._domains.get(domain)
        if mine is None:
            mine = self._domains[domain] = OrderedDict()
        gone = None
        if domain is None:
            if len(mine) >= self.limit:
                gone = self._forget(domain)
        elif len(mine) >= self.share:
            gone = self._forget(domain)
        elif self._others >= self.limit:
            gone = self._forget(self._greediest(domain))
        mine = self._domains.setdefault(domain, mine)
        mine[key] = None
        self._items[key] = value, domain
        if domain is not None:
            self._others += 1
        return gone

    def pop(self, key: Key) -> Value | None:
        """Take an entry out."""
        known = self._items.pop(key, None)
        if known is None:
            return None
        self._release(key, known[1])
        return known[0]

    def _release(self, key: Key, domain: str | None) -> None:
        """Take a key whose entry is gone out of its user's share."""
        mine = self._domains[domain]
        del mine[key]
        if not mine:
            del self._domains[domain]
        if domain is not None:
            self._others -= 1

    def _forget(self, domain: str | None) -> Value | None:
        self.forgotten += 1
        return self.pop(next(iter(self._domains[domain])))

    def _greediest(self, domain: str | None) -> str | None:
        """Of the others, the one with the most entries."""
        others = [(len(keys), name) for name, keys in self._domains.items() if name is not None]
        return max(others, key=lambda one: one[0])[1] if others else domain


@dataclass(slots=True)
class Budget:
    """How many events each user may cause: a token bucket each. Root of the host has none."""

    burst: int
    every: float
    """Seconds after which one more is allowed."""
    refused: int = 0
    _buckets: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def allows(self, domain: str | None, time: int) -> bool:
        """Take one, at ``time`` in ns; False when the user has none left."""
        if domain is None:
            return True
        tokens, last = self._buckets.get(domain, (float(self.burst), time))
        tokens = min(self.burst, tokens + max(0, time - last) / (self.every * NS_PER_SECOND))
        allowed = tokens >= 1
        self._buckets[domain] = (tokens - 1 if allowed else tokens, max(time, last))
        self._buckets.move_to_end(domain)
        if len(self._buckets) > DOMAINS_MAX:
            self._buckets.popitem(last=False)
        if not allowed:
            self.refused += 1
        return allowed

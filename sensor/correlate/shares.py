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
    ``limit``. Most entries are root's, and a start makes a dozen: so only others' have a user
    beside them, and what keeps an order is a dict and not an OrderedDict of twice the size.
    """

    __slots__ = ("_domain_of", "_domains", "_items", "forgotten", "limit", "share")

    def __init__(self, limit: int, share: int | None = None) -> None:
        self.limit = limit
        self.share = share if share is not None else max(1, limit // 8)
        self.forgotten = 0
        self._items: dict[Key, Value] = {}
        """In the order of entering."""
        self._domain_of: dict[Key, str] = {}
        """Whose share an entry takes, where it is not root's."""
        self._domains: dict[str | None, dict[Key, None]] = {}
        """The keys in each share, the oldest first."""

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: Key) -> bool:
        return key in self._items

    def get(self, key: Key) -> Value | None:
        """Return the entry of that key."""
        return self._items.get(key)

    def values(self) -> list[Value]:
        """Every entry, in the order of entering."""
        return list(self._items.values())

    def items(self) -> list[tuple[Key, Value]]:
        """Every entry with its key, in the order of entering."""
        return list(self._items.items())

    def oldest(self) -> tuple[Key, Value] | None:
        """Return the entry that was entered first, with its key."""
        return next(iter(self._items.items()), None)

    def latest_first(self) -> Iterator[Value]:
        """Every entry, the one entered last at first."""
        return reversed(self._items.values())

    def put(self, key: Key, value: Value, domain: str | None) -> Value | None:
        """Enter or replace; returns the entry that was forgotten for it, if any."""
        if key in self._items:
            self.pop(key)
        gone = None
        mine = self._domains.get(domain)
        if domain is None:
            if mine is not None and len(mine) >= self.limit:
                gone = self._forget(domain)
        elif mine is not None and len(mine) >= self.share:
            gone = self._forget(domain)
        elif len(self._domain_of) >= self.limit:
            gone = self._forget(self._greediest(domain))
        self._domains.setdefault(domain, {})[key] = None
        self._items[key] = value
        if domain is not None:
            self._domain_of[key] = domain
        return gone

    def pop(self, key: Key) -> Value | None:
        """Take an entry out."""
        if key not in self._items:
            return None
        domain = self._domain_of.pop(key, None)
        mine = self._domains[domain]
        del mine[key]
        if not mine:
            del self._domains[domain]
        return self._items.pop(key)

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

"""Bounded tables and budgets with a share for each user.

Root of the host has a share of its own (None) that others never take from. A share may be a part of
an account's, as ``account/part``: what one account can make any number of (containers in its own
slice, subordinate uids) has together no more than the account.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Key = TypeVar("Key")
Value = TypeVar("Value")

DOMAINS_MAX = 256
"""Users whose budgets are remembered; the one not seen for longest is forgotten. The same for parts
of accounts."""

PART_OF = "/"
"""Stands between an account and a part of it."""

NS_PER_SECOND = 1_000_000_000

_Buckets = OrderedDict[str, tuple[float, int]]
"""Tokens of each user, and when they were counted."""


def account_of(share: str) -> str:
    """Return the account that a share belongs to."""
    return share.partition(PART_OF)[0]


class SharedTable(Generic[Key, Value]):
    """A table that forgets its oldest entry of the same user first.

    ``limit`` is root's share, ``share`` that of each other account, and all others together have
    ``limit``. Of an account that has too much, the part with the most gives way. Most entries are
    root's, and a start makes a dozen: so only others' have a user beside them, and what keeps an
    order is a dict and not an OrderedDict of twice the size.
    """

    __slots__ = ("_accounts", "_domain_of", "_domains", "_items", "forgotten", "limit", "share")

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
        self._accounts: dict[str, dict[str, None]] = {}
        """The shares of each account but root's."""

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

    def share_of(self, key: Key) -> str | None:
        """Return whose an entry is, None for root's and where there is no such entry."""
        return self._domain_of.get(key)

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
        else:
            gone = self._make_room(account_of(domain))
        self._domains.setdefault(domain, {})[key] = None
        self._items[key] = value
        if domain is not None:
            self._domain_of[key] = domain
            self._accounts.setdefault(account_of(domain), {})[domain] = None
        return gone

    def renew(self, key: Key) -> None:
        """Make an entry the newest; it stays whose it is."""
        value = self._items.pop(key)
        self._items[key] = value
        mine = self._domains[self._domain_of.get(key)]
        del mine[key]
        mine[key] = None

    def pop(self, key: Key) -> Value | None:
        """Take an entry out."""
        if key not in self._items:
            return None
        domain = self._domain_of.pop(key, None)
        mine = self._domains[domain]
        del mine[key]
        if not mine:
            del self._domains[domain]
            if domain is not None:
                self._end_share(domain)
        return self._items.pop(key)

    def _end_share(self, domain: str) -> None:
        account = account_of(domain)
        parts = self._accounts[account]
        del parts[domain]
        if not parts:
            del self._accounts[account]

    def _make_room(self, account: str) -> Value | None:
        """Forget an entry of another user than root, if the account or all others have too many."""
        parts = self._accounts.get(account, ())
        if parts and self._held(parts) >= self.share:
            return self._forget(self._largest(parts))
        if len(self._domain_of) < self.limit:
            return None
        greediest = max(self._accounts.values(), key=self._held)
        return self._forget(self._largest(greediest))

    def _held(self, parts: Iterable[str]) -> int:
        return sum([len(self._domains[part]) for part in parts])

    def _largest(self, parts: Iterable[str]) -> str:
        return max(parts, key=lambda part: len(self._domains[part]))

    def _forget(self, domain: str | None) -> Value | None:
        self.forgotten += 1
        return self.pop(next(iter(self._domains[domain])))


class Occupancy:
    """How many entries each account has in a table that chooses itself which entry goes.

    The shares are those of :class:`SharedTable`, without parts of accounts.
    """

    __slots__ = ("_held", "limit", "share")

    def __init__(self, limit: int, share: int | None = None) -> None:
        self.limit = limit
        self.share = share if share is not None else max(1, limit // 8)
        self._held: dict[str | None, int] = {}

    def enter(self, domain: str | None) -> None:
        """Count one more."""
        self._held[domain] = self._held.get(domain, 0) + 1

    def leave(self, domain: str | None) -> None:
        """Count one less."""
        left = self._held.pop(domain) - 1
        if left:
            self._held[domain] = left

    def is_full(self, domain: str | None) -> bool:
        """Whether an entry more than that account may have has entered."""
        held = self._held.get(domain, 0)
        if domain is None:
            return held > self.limit
        return held > self.share or self._held_by_others() > self.limit

    def giving_way(self, domain: str | None) -> str | None:
        """Return who loses an entry for one that entered beyond what there is."""
        if domain is None or self._held[domain] > self.share:
            return domain
        others = {one: held for one, held in self._held.items() if one is not None}
        return max(others, key=others.__getitem__)

    def _held_by_others(self) -> int:
        return sum(self._held.values()) - self._held.get(None, 0)


@dataclass(slots=True)
class Budget:
    """How many events each account may cause: a token bucket each. Root of the host has none.

    A part of an account has half as much, within the account's.
    """

    burst: int
    every: float
    """Seconds after which one more is allowed."""
    refused: int = 0
    _buckets: _Buckets = field(default_factory=OrderedDict)
    _parts: _Buckets = field(default_factory=OrderedDict)

    def allows(self, domain: str | None, time: int) -> bool:
        """Take one, at ``time`` in ns; False when the user has none left."""
        if domain is None:
            return True
        account = account_of(domain)
        allowed = account == domain or _take(
            self._parts, domain, time, max(1, self.burst // 2), 2 * self.every
        )
        allowed = allowed and _take(self._buckets, account, time, self.burst, self.every)
        if not allowed:
            self.refused += 1
        return allowed


def _take(buckets: _Buckets, name: str, time: int, burst: int, every: float) -> bool:
    tokens, last = buckets.get(name, (float(burst), time))
    tokens = min(burst, tokens + max(0, time - last) / (every * NS_PER_SECOND))
    allowed = tokens >= 1
    buckets[name] = (tokens - 1 if allowed else tokens, max(time, last))
    buckets.move_to_end(name)
    if len(buckets) > DOMAINS_MAX:
        buckets.popitem(last=False)
    return allowed

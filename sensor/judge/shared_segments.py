"""Segments with a share for each account: what another than root has costs root nothing.

Root's keys have the whole table. Each other account has ``SHARE`` of it, and all of them together
have no more than root. For what is too much the account with the most gives way. Whose a key is
stands at its beginning (:mod:`sensor.model.account`).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from sensor.judge.segmented import Segmented
from sensor.model.account import OWNERS, share_in

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = TypeVar("Value")

SHARE = 4
"""One account but root's has this part of a table: a host may run all containers as one user."""


class SharedSegments(Generic[Value]):
    """Values by text key. ``start`` is where the owner stands in a key."""

    def __init__(self, probation: int, protected: int, start: int = 0) -> None:
        self._limits = probation, protected
        self._start = start
        self._roots: Segmented[Value] = Segmented(probation, protected)
        self._others: dict[str, Segmented[Value]] = {}
        self._shed = 0

    def __len__(self) -> int:
        return len(self._roots) + self._held()

    @property
    def forgotten(self) -> int:
        """How many had to go."""
        others = self._others.values()
        return self._shed + self._roots.forgotten + sum([one.forgotten for one in others])

    @property
    def is_full(self) -> bool:
        """Whether a newcomer of root's pushes out another one."""
        return self._roots.is_full

    def get(self, key: str) -> Value | None:
        """Return a value without counting it as seen."""
        if not self._others:
            # On most nodes all is root's.
            return self._roots.get(key)
        return table.get(key) if (table := self._of(key)) is not None else None

    def see(self, key: str, value: Value, *, established: bool | None = None) -> tuple[str, ...]:
        """Set a value that was seen now; returns the keys that had to go for it."""
        if not key.startswith(OWNERS, self._start):
            return self._roots.see(key, value, established=established)
        table = self._of(key)
        if table is None:
            table = self._begin(key)
        gone = table.see(key, value, established=established)
        return gone if table is self._roots else (*gone, *self._make_room())

    def drop(self, key: str) -> bool:
        """Forget a key; False where it is not known."""
        table = self._of(key)
        if table is None or not table.drop(key):
            return False
        self._end_empty()
        return True

    def restore(self, key: str, value: Value, *, established: bool) -> bool:
        """Take over an entry of an earlier run, the most recent first; False without a place."""
        table = self._of(key)
        if table is None:
            table = self._begin(key)
        if table is not self._roots and self._held() >= sum(self._limits):
            self._end_empty()
            return False
        return table.restore(key, value, established=established)

    def items(self) -> Iterator[tuple[str, Value]]:
        """Yield all entries, root's first."""
        return chain(self._roots.items(), *[one.items() for one in self._others.values()])

    # ----------------------------------------------------------------- inside

    def _of(self, key: str) -> Segmented[Value] | None:
        share = share_in(key, self._start)
        return self._roots if share is None else self._others.get(share)

    def _begin(self, key: str) -> Segmented[Value]:
        share = share_in(key, self._start) or ""
        probation, protected = self._limits
        table = self._others[share] = Segmented(
            max(1, probation // SHARE), max(1, protected // SHARE)
        )
        return table

    def _held(self) -> int:
        return sum([len(one) for one in self._others.values()])

    def _make_room(self) -> tuple[str, ...]:
        gone = []
        while self._held() > sum(self._limits):
            gone.append(max(self._others.values(), key=len).shed())
            self._shed += 1
        if gone:
            self._end_empty()
        return tuple(gone)

    def _end_empty(self) -> None:
        for share in [share for share, table in self._others.items() if not table]:
            self._shed += self._others.pop(share).forgotten

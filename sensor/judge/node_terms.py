"""What the node as a whole has seen of each feature, counted by days.

A term is noted once a day: what asks for it needs days, and a row for each start and value would be
most of what the store writes. The hours of people alone are counted start by start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.profile import Term
from sensor.model.account import share_in
from sensor.shares import Occupancy

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from sensor.judge.ledger import Row

NODE_TERMS_MAX = 512
"""Values of one feature that the node knows of root's; of all other accounts as many."""
NODE_SHARE = 128
"""Values of one feature that one account but root has."""
NODE_ROW = "node"


class NodeTerms:
    """Bounded; a row for every change of it is left in the list that it was given."""

    def __init__(self, rows: list[Row] | None, replaced: Counter[str]) -> None:
        """Without ``rows`` none are left. ``replaced`` counts values that had to go, by feature."""
        self._rows = rows
        self._replaced = replaced
        self._terms: dict[Feature, dict[str, Term]] = {}
        self._held: dict[Feature, Occupancy] = {}
        self.lost = 0
        """How many values were forgotten, in whatever way."""

    @property
    def by_feature(self) -> Mapping[Feature, Mapping[str, Term]]:
        """All terms."""
        return self._terms

    def restore(self, key: str, row: bytes) -> None:
        """Take over a row of the store; raises ValueError for one that makes no sense."""
        name, slash, value = key.partition("/")
        if not slash:
            message = "not a term of the node"
            raise ValueError(message)
        self._enter(Feature(name), value, Term.unpack(row))

    # ----------------------------------------------------------------- asking

    def knows(self, feature: Feature, value: str, at: int) -> bool:
        """Whether the node has seen a value and not forgotten it."""
        term = self._terms.get(feature, _NO_TERMS).get(value)
        return term is not None and term.known(at)

    def days(self, feature: Feature, value: str, at: int) -> int:
        """Return on how many of the last 32 days the node saw a value."""
        term = self._terms.get(feature, _NO_TERMS).get(value)
        return term.distinct_days if term is not None and term.known(at) else 0

    def values(self, feature: Feature, at: int) -> tuple[str, ...]:
        """Return what the node knows of a feature, the latest first."""
        found = self._terms.get(feature, _NO_TERMS)
        known = [value for value, term in found.items() if term.known(at)]
        return tuple(sorted(known, key=lambda one: (-found[one].last, one)))

    def items(self) -> Iterator[tuple[Feature, str, Term]]:
        """Yield every term."""
        for feature in self._terms:
            for value, term in self.items_of(feature):
                yield feature, value, term

    def items_of(self, feature: Feature) -> Iterator[tuple[str, Term]]:
        """Yield the terms of one feature."""
        yield from self._terms.get(feature, _NO_TERMS).items()

    # ----------------------------------------------------------------- learning

    def learn(self, feature: Feature, value: str, at: int) -> None:
        """Note a value; of one whose day was noted nothing changes."""
        values = self._terms.get(feature, _NO_TERMS)
        term = values.get(value)
        if term is not None and feature is not Feature.HOUR and term.covers(at):
            return
        is_new = term is None
        if term is None:
            term = self._enter(feature, value, Term())
        self.see(f"{feature}/{value}", term, at)
        share = share_in(value) if is_new else None
        if is_new and self._held[feature].is_full(share):
            self._make_room(feature, self._held[feature].giving_way(share))

    def _enter(self, feature: Feature, value: str, term: Term) -> Term:
        values = self._terms.setdefault(feature, {})
        if value not in values:
            held = self._held.setdefault(feature, Occupancy(NODE_TERMS_MAX, NODE_SHARE))
            held.enter(share_in(value))
        values[value] = term
        return term

    def _make_room(self, feature: Feature, share: str | None) -> None:
        """Forget a value of that account: what was seen on one day only goes first."""
        values = self._terms[feature]
        gone = min(
            (one for one in values if share_in(one) == share),
            key=lambda one: (values[one].distinct_days > 1, values[one].last, one),
        )
        self.forget(feature, gone)
        self._replaced[feature] += 1

    def see(self, key: str, term: Term, at: int) -> None:
        """Count one of the terms, whose row has this key."""
        term.see(at)
        if self._rows is not None:
            self._rows.append((NODE_ROW, key, term.pack()))

    def forget(self, feature: Feature, value: str) -> bool:
        """Forget one value; False where it is not known."""
        if self._terms.get(feature, {}).pop(value, None) is None:
            return False
        self._held[feature].leave(share_in(value))
        self.lost += 1
        if self._rows is not None:
            self._rows.append((NODE_ROW, f"{feature}/{value}", None))
        return True

    def clear(self) -> None:
        """Forget everything, the rows of the store too."""
        for feature, value, _ in list(self.items()):
            self.forget(feature, value)
        self._terms.clear()
        self.lost += 1


_NO_TERMS: dict[str, Term] = {}

"""Finds the few rules that can match a start among very many.

Each rule is filed under one of its keys, by the literal beginnings of that key's patterns. A start
then asks for the beginnings of its own texts, once for each length that occurs. What was found for
a text is remembered, since the texts of starts repeat. Rules without such a key are asked every
time. What is found is a superset: the selector decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from sensor.judge import selector as selecting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sensor.judge.case import Facts
    from sensor.judge.selector import Selector


class Selecting(Protocol):
    """A rule or a change."""

    @property
    def selector(self) -> Selector:
        """Which starts it speaks of."""


RuleT = TypeVar("RuleT", bound=Selecting)

REMEMBERED_MAX = 1024
"""Texts of one key whose rules are remembered; beyond them all are forgotten at once."""
TEXT_MAX = 200
"""Characters of a text that is remembered."""


class RuleIndex(Generic[RuleT]):
    """Rules in their order. Immutable."""

    def __init__(self, rules: Iterable[RuleT]) -> None:
        self.rules = tuple(rules)
        self._always: list[int] = []
        self._by_key: dict[str, _Heads] = {}
        for place, rule in enumerate(self.rules):
            self._file(place, rule)

    def _file(self, place: int, rule: RuleT) -> None:
        best: tuple[int, str, tuple[str, ...]] | None = None
        for key, globs in rule.selector.globs:
            heads = tuple(glob.head for glob in globs)
            shortest = min(map(len, heads))
            if shortest and (best is None or shortest > best[0]):
                best = shortest, key, heads
        if best is None:
            self._always.append(place)
            return
        filed = self._by_key.setdefault(best[1], _Heads())
        for head in dict.fromkeys(best[2]):
            filed.file(head, place)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def matching(self, facts: Facts, *, some: bool = False) -> Iterable[RuleT]:
        """Return the rules whose selector matches, in their order, as an iterator."""
        found = self._always
        for key, heads in self._by_key.items():
            for text in selecting.seen(facts, key):
                places = heads.places(text)
                if places:
                    found = [*found, *places]
        if not found:
            return ()
        return self._selecting(sorted(set(found)), facts, some=some)

    def _selecting(self, places: Iterable[int], facts: Facts, *, some: bool) -> Iterator[RuleT]:
        for place in places:
            rule = self.rules[place]
            if rule.selector.matches(facts, some=some):
                yield rule


class _Heads:
    """Places of the rules that are filed under one key."""

    def __init__(self) -> None:
        self._heads: dict[int, dict[str, list[int]]] = {}
        """Length of a beginning to the beginnings of that length to the places of rules."""
        self._remembered: dict[str, tuple[int, ...]] = {}

    def file(self, head: str, place: int) -> None:
        """File a rule under a beginning."""
        self._heads.setdefault(len(head), {}).setdefault(head, []).append(place)

    def places(self, text: str) -> tuple[int, ...]:
        """Return the places of the rules that may match a text."""
        found = self._remembered.get(text)
        if found is not None:
            return found
        found = tuple(
            place for length, filed in self._heads.items() for place in filed.get(text[:length], ())
        )
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        if len(text) <= TEXT_MAX:
            self._remembered[text] = found
        return found

"""What an assessment of a start consists of: novelties, the level, whether they make an alert."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import quick
from sensor.judge.findings.unusual_combination import WEAK_FACTS
from sensor.model.alert import Fact, Strength
from sensor.model.vocabulary import BaselineState, Finding

if TYPE_CHECKING:
    from sensor.judge.feature import Feature, Features
    from sensor.judge.habit import Habit
    from sensor.judge.lesson import TermKey

BY_NAME = {
    Finding.NEW_ENTRYPOINT: "entrypoint",
    Finding.CHANGED_REGISTRY: "registry",
    Finding.NEW_PERSON: "initiator",
    Finding.NEW_INITIATOR: "initiator",
    Finding.ENGINE_SOCKET: "initiator",
}
"""Strong facts that an approval covers by name only, as it does privileges: who approves a new tag
does not mean a shell, another registry, or a stranger."""
INITIATOR = "initiator:"
DAYS_CACHED = 256
"""Seconds whose day is remembered: the first start of a level is the same for long."""
VALUES_SHOWN = 4
"""Values of the past that a fact lists."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """One fact, the finding that it stands for, and what is learnt when it is not new any more."""

    fact: Fact
    value: str
    """The novel value: with the finding it names the group of an alert."""
    terms: tuple[TermKey, ...]
    finding: Finding | None = None

    @property
    def strong(self) -> bool:
        """Whether it makes an alert alone."""
        return self.fact.strength is Strength.STRONG


@quick
@dataclass(frozen=True, slots=True)
class Assessment:
    """A start against the past."""

    features: Features
    phase: BaselineState
    level: str
    starts: int
    """Starts at that level."""
    since: int | None
    """Wall-clock second of the first of them."""
    novelties: tuple[Novelty, ...]
    terms: tuple[TermKey, ...] = ()
    """All that is new, also what a node that learns does not report."""
    weak_facts: int = WEAK_FACTS.default
    """Weak facts that make an alert together."""
    rhythm: str | None = None
    """When such starts come, where this one is on time."""
    habit: Habit | None = field(default=None, compare=False)
    """The earlier start that it is like, for it to be learnt by."""

    @property
    def alerts(self) -> bool:
        """Whether the facts make an alert."""
        novelties = self.novelties
        if not novelties:
            # Most starts, and each is asked twice.
            return False
        return len(novelties) >= self.weak_facts or any(one.strong for one in novelties)

    @property
    def known(self) -> bool:
        """Whether everything is like earlier starts."""
        return not self.novelties and self.phase is BaselineState.ACTIVE and self.starts > 0

    @property
    def atoms(self) -> frozenset[str]:
        """What an approval has to allow by name, beside privileges: ``entrypoint:sh -c``."""
        return frozenset(
            f"{BY_NAME[one.finding]}:{one.value}"
            for one in self.novelties
            if one.strong and one.finding in BY_NAME
        )

    @property
    def sentence(self) -> str:
        """What it is like, as a sentence."""
        since = "" if self.since is None else f" since {_day(self.since)}"
        rhythm = "" if self.rhythm is None else f", as {self.rhythm}"
        return f"like {self.starts} starts of this {self.level}{since}{rhythm}"


def novelty(
    feature: Feature,
    known: tuple[str, ...],
    seen: str,
    level: str,
    terms: tuple[TermKey, ...],
    finding: Finding | None = None,
    *,
    strong: bool = True,
) -> Novelty:
    """Return a novelty whose novel value is what was seen."""
    return Novelty(fact_of(feature, known, seen, level, strong=strong), seen, terms, finding)


def fact_of(
    feature: Feature, known: tuple[str, ...], seen: str, level: str, *, strong: bool
) -> Fact:
    """Return a fact; of the past a few values are listed."""
    listed = " or ".join(known[:VALUES_SHOWN]) or "none"
    more = len(known) - VALUES_SHOWN
    expected = f"{listed} or {more} more" if more > 0 else listed
    strength = Strength.STRONG if strong else Strength.WEAK
    return Fact(feature.value, expected, seen, level, strength)


@lru_cache(maxsize=DAYS_CACHED)
def _day(at: int) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "an unknown day"

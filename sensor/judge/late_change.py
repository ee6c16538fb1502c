"""What a change does for starts of before it was added: it acknowledges their alerts, no more.

Rules:

1. The verdict of such a start stays as it is.
2. The change's own bounds have to hold all starts of an alert, so ``not_before`` lies in the past.
   Its selector selects each of them, and it allows each of their strong privileges by name.
3. A strong finding, one of a rule that forbids, and one about several starts at once (``burst``,
   ``slow-change``) stay open. So does an alert of more starts than it has the ids of.
4. A wide change acknowledges nothing, and neither does one that the login which starts added.
5. Each start that is acknowledged counts as used: ``max_starts`` holds for both together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.alert_book import OPEN
from sensor.judge.alert_recurrence import FACTS_MAX
from sensor.judge.assessment import BY_NAME, INITIATOR
from sensor.judge.feature import Feature
from sensor.judge.findings.kind import Rank
from sensor.judge.findings.registry import KINDS
from sensor.judge.image_reference import parse
from sensor.judge.verdict import LIMITS, added_by_initiator
from sensor.model.account import apart, owner_in, without_owner
from sensor.model.alert import Strength
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.alert_row import AlertEntry
    from sensor.judge.case import Facts
    from sensor.judge.change import Change, Usage

OF_SEVERAL = frozenset({Finding.BURST, Finding.SLOW_CHANGE, Finding.WORKLOAD_FLOOD})
"""Findings about many starts together, of which one change says too little."""
EXPLAINED = (
    frozenset(one for one, kind in KINDS.items() if kind.rank is Rank.BASELINE) - OF_SEVERAL
    | LIMITS
    | {Finding.NO_EXPLANATION}
)
"""Findings that a start would not have had, had the change been there."""
UNEXPLAINED = frozenset(
    one for one, kind in KINDS.items() if kind.rank is Rank.STRONG or one is Finding.FORBIDDEN
)
_PREFIXES = {
    Feature.ENTRYPOINT: BY_NAME[Finding.NEW_ENTRYPOINT],
    Feature.REPOSITORY: BY_NAME[Finding.CHANGED_REGISTRY],
    Feature.INITIATOR: BY_NAME[Finding.NEW_INITIATOR],
}
"""What an approval has to name, by the feature of a strong fact."""


@dataclass(frozen=True, slots=True)
class SeenStart:
    """A start as the log has it."""

    facts: Facts
    findings: frozenset[str]


def candidates(change: Change, entries: Iterable[AlertEntry]) -> tuple[AlertEntry, ...]:
    """Return the alerts that a change may acknowledge, before their starts are looked at."""
    return tuple(
        one
        for one in entries
        if one.state in OPEN
        and one.finding in EXPLAINED
        and change.in_time(one.first)
        and change.in_time(one.last)
        and len(one.starts) == one.count
        and len(one.facts) < FACTS_MAX
    )


def covers(change: Change, usage: Usage, entry: AlertEntry, seen: Mapping[str, SeenStart]) -> bool:
    """Whether a change covers each start of an alert."""
    starts = [seen[id_] for id_ in entry.starts if id_ in seen]
    if len(starts) < len(entry.starts):
        return False
    if change.max_starts is not None and usage.total + len(starts) > change.max_starts:
        return False
    named = _named(entry)
    if change.selector.names_initiator:
        named = frozenset(one for one in named if not one.startswith(INITIATOR))
    return all(_covers(change, one, named) for one in starts)


def _covers(change: Change, start: SeenStart, named: frozenset[str]) -> bool:
    facts = start.facts
    return (
        change.in_time(facts.wall)
        and not start.findings & UNEXPLAINED
        and change.selector.matches(facts)
        and change.selector.is_meant(facts)
        and not change.lacking(facts.atoms | named)
        and not added_by_initiator(facts, change)
    )


def _named(entry: AlertEntry) -> frozenset[str]:
    """Return what an approval of an alert's starts has to allow by name, beside privileges."""
    found = set()
    for fact in entry.facts:
        feature = next((one for one in _PREFIXES if one.value == fact.feature), None)
        if feature is None or fact.strength is not Strength.STRONG:
            continue
        value = _organisation(fact.seen) if feature is Feature.REPOSITORY else fact.seen
        found.add(f"{_PREFIXES[feature]}:{value}")
    return frozenset(found)


def _organisation(repository: str) -> str:
    owner = owner_in(repository)
    return apart(parse(without_owner(repository, owner)).organisation, owner)


def reason_of(change: Change) -> str:
    """Return why an alert is acknowledged."""
    by = change.added_by or change.origin
    return f"change {change.id} covers it, added afterwards by {by}, approved by {change.by}"

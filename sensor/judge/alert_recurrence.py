"""An alert that is seen again: whether it is the same one, and what it gains by that.

What it gains is bounded: facts, terms and starts have a limit, and weak facts go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.model.alert import AlertSeverity, AlertState, Strength
from sensor.model.vocabulary import EventType, Finding

if TYPE_CHECKING:
    from sensor.judge.alert_row import AlertEntry
    from sensor.judge.lesson import TermKey
    from sensor.model.alert import Fact
    from sensor.model.events import Event

FACTS_MAX = 16
TERMS_MAX = 64
STARTS_MAX = 16
"""Starts of an alert that are known by id: a change that is added later covers all or none."""
WHILE_LEARNING = "while learning"
"""Novel value of the alerts that a node has while it learns: one for all new values of a kind."""
INCIDENTS = frozenset({Finding.SENSOR_TAMPERING})
"""Findings of something that was done once: who acknowledges it means no later one."""
GRAVER = tuple(AlertSeverity)


def with_start(starts: tuple[str, ...], source: Event) -> tuple[str, ...]:
    """Return the ids of an alert's starts with that of an event, if it is a start and has room."""
    if source.type is not EventType.START or len(starts) >= STARTS_MAX or source.id in starts:
        return starts
    return (*starts, source.id)


def is_over(entry: AlertEntry) -> bool:
    """Whether what an alert is about has ended, so that the next is another one."""
    if entry.state is AlertState.ACKNOWLEDGED and entry.finding in INCIDENTS:
        return True
    return entry.state is AlertState.RESOLVED


def is_suppressed(entry: AlertEntry, wall: int) -> bool:
    """Whether an alert is to be silent at ``wall``, in ns since the epoch."""
    suppressed = entry.state is AlertState.SUPPRESSED
    return suppressed and entry.until is not None and wall < entry.until


def state_again(known: AlertEntry, facts: tuple[Fact, ...], wall: int) -> AlertState:
    """Return the state of an alert with what was seen once more."""
    state = known.state
    if state is AlertState.SUPPRESSED and not is_suppressed(known, wall):
        return AlertState.UPDATE
    learning = state is AlertState.ACKNOWLEDGED and known.value.endswith(WHILE_LEARNING)
    if learning and has_new(known, facts):
        # It was acknowledged for other values than this one.
        return AlertState.UPDATE
    return state


def has_new(known: AlertEntry, facts: tuple[Fact, ...]) -> bool:
    """Whether a fact is not among those of an alert."""
    return not set(facts) <= set(known.facts)


def together(known: tuple[TermKey, ...], terms: tuple[TermKey, ...]) -> tuple[TermKey, ...]:
    """Return all terms that an alert holds back, the earliest first."""
    return tuple(dict.fromkeys((*known, *terms)))[:TERMS_MAX]


def latest(known: tuple[Fact, ...], facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """Return all facts of an alert; where they are too many, weak ones and old ones go first."""
    found = dict.fromkeys((*known, *facts))
    for one in sorted(known, key=lambda fact: fact.strength is Strength.STRONG):
        if len(found) <= FACTS_MAX:
            break
        if one not in facts:
            del found[one]
    return tuple(found)[:FACTS_MAX]


def graver(severity: AlertSeverity, steps: int) -> AlertSeverity:
    """Return the severity that many steps above, or below, within what there is."""
    place = min(max(GRAVER.index(severity) + steps, 0), len(GRAVER) - 1)
    return GRAVER[place]

"""From a verdict to alerts, and from a start without one to what is learnt.

Each start is compared with the past before it is judged, and learnt afterwards: all of it where it
raised no alert, nothing of it otherwise. One alert is raised for a start, named by the gravest
finding that has no open alert yet, else by the gravest whose alert no person has silenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.judge.alert_book import AlertBook
from sensor.judge.alert_event import group_of
from sensor.judge.alert_recurrence import GRAVER, WHILE_LEARNING, graver
from sensor.judge.baseline import BASELINE_ROWS, PROFILES, Baseline
from sensor.judge.comparison import Moment
from sensor.judge.feature import Feature, WhoKind, features_of
from sensor.judge.findings.dormant import DAYS as DORMANT_DAYS
from sensor.judge.findings.kind import Rank
from sensor.judge.findings.registry import KINDS
from sensor.judge.fleet import Fleet
from sensor.judge.hours import hour_of
from sensor.judge.ledger import Note
from sensor.judge.lesson import lesson_of
from sensor.judge.novelty import assess
from sensor.judge.quarantine import Quarantine
from sensor.judge.shared_segments import SHARE
from sensor.judge.slow_change import SlowChange
from sensor.judge.tuning import DEFAULT, FLEET_HOSTS, LEARNING_DAYS, RELEASE_DAYS
from sensor.model.account import apart
from sensor.model.alert import Fact, Strength
from sensor.model.vocabulary import BaselineState, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from sensor.judge.assessment import Assessment
    from sensor.judge.case import Facts
    from sensor.judge.feature import Features
    from sensor.judge.finding import Found
    from sensor.judge.habit import Habit
    from sensor.judge.judgement import Judgement
    from sensor.judge.ledger import Row, RowKey
    from sensor.judge.lesson import TermKey
    from sensor.judge.tuning import Tuning
    from sensor.model.alert import AlertSeverity
    from sensor.model.events import Event

NS_PER_SECOND = 1_000_000_000
GROUPED = frozenset({Finding.NEW_PERSON, Finding.NEW_INITIATOR, Finding.NEW_PRIVILEGE})
"""Findings of which a node that learns has one alert, with an event for each new value."""
MANY_FACTS = 3
"""Facts of one start that make its alert graver."""
_moment = maker(Moment)


class Alerting:
    """Owns the baseline and the alerts."""

    def __init__(
        self, zone: tzinfo, *, keeping: bool = True, rows: list[Row] | None = None
    ) -> None:
        """``zone`` is the host's: the hours of people are local.

        ``rows`` is the list to leave rows in for the store; without ``keeping`` none are.
        """
        self.zone = zone
        self.baseline = Baseline(keeping=keeping, rows=rows)
        self.book = AlertBook(keeping=keeping, rows=rows)
        self.held = Quarantine(keeping=keeping, rows=rows)
        self.slow = SlowChange(keeping=keeping, rows=rows)
        self.fleet = Fleet(keeping=keeping, rows=rows)
        self.notes: list[Note] = []
        self._tuning = DEFAULT

    def tune(self, tuning: Tuning) -> None:
        """Take what a policy sets."""
        self._tuning = self.book.tuning = self.slow.tuning = tuning
        self.baseline.learning_days = tuning.number(LEARNING_DAYS)
        self.held.release_days = tuning.number(RELEASE_DAYS)
        self.fleet.known_from = tuning.number(FLEET_HOSTS)

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows are of no use.

        One row of the baseline that makes no sense costs all of it: what is known in part misleads.
        It is learnt anew, from the log.
        """
        unreadable = self.baseline.restore(rows)
        if unreadable:
            self.baseline.clear()
            detail = f"{len(unreadable)} of its rows were unreadable; it is learnt anew"
            self.notes.append(Note("baseline_reset", detail))
            unreadable = [key for key in rows if key[0] in BASELINE_ROWS]
        for part in (self.book, self.held, self.slow, self.fleet):
            unreadable += part.restore(rows)
        return unreadable

    def features(self, facts: Facts, workload_of: Callable[[str], str | None]) -> Features:
        """Return what is compared of a start."""
        return features_of(facts, workload_of, self._tuning.number(DORMANT_DAYS))

    def assess(self, facts: Facts, features: Features, *, settled: bool) -> Assessment:
        """Compare a start with the past. Hours are unknown on a clock that was set."""
        at = facts.wall // NS_PER_SECOND
        moment = _moment(at, self.zone if settled else None)
        return assess(self.baseline, features, moment, self._tuning)

    def knows_direct(self, features: Features, at: int) -> bool:
        """Whether all who may have started it are known to run runtimes without an engine."""
        whos = features.whos
        return bool(whos) and all(
            self.baseline.node.knows(Feature.DIRECT, who.value, at) for who in whos
        )

    def conclude(
        self, facts: Facts, past: Assessment | None, judged: Judgement, event: Event
    ) -> None:
        """Raise the alert of a start, or learn it."""
        held = self._held_back(judged, past)
        if judged.found:
            self._raise(judged, past, event, held)
        forgotten = self.baseline.forgotten
        self._remember(facts, past, judged, held)
        if judged.found or past is None:
            return
        if self.baseline.forgotten > forgotten:
            flooded = _flooded(event.owner)
            self.book.raise_(Finding.WORKLOAD_FLOOD, apart("node", event.owner), (flooded,), event)
        if past.novelties and judged.verdict.expected is not True and not past.features.by_engine:
            self._accumulate(past, event, facts.wall // NS_PER_SECOND)

    def remember(self, facts: Facts, past: Assessment | None, judged: Judgement) -> None:
        """Learn a start, or hold back what is new about one that has a finding."""
        self._remember(facts, past, judged, self._held_back(judged, past))

    def _remember(
        self,
        facts: Facts,
        past: Assessment | None,
        judged: Judgement,
        held: tuple[TermKey, ...],
    ) -> None:
        if judged.found:
            at = facts.wall // NS_PER_SECOND
            for term in self.held.hold(held, at):
                self.baseline.learn_term(term, at)
        elif past is not None:
            self.learn(facts, past.features, past.habit)

    def learn(self, facts: Facts, features: Features, habit: Habit | None = None) -> None:
        """Learn a start that raised no alert. ``habit`` is the one that it was found to follow."""
        at = facts.wall // NS_PER_SECOND
        hour = hour_of(at, self.zone) if features.person is not None else None
        self.baseline.learn(features, at, hour, habit)

    def _accumulate(self, past: Assessment, event: Event, at: int) -> None:
        who = past.features.whos[0].value if len(past.features.whos) == 1 else None
        if who is None or past.phase is not BaselineState.ACTIVE:
            return
        facts = self.slow.add(who, [one.fact for one in past.novelties], at)
        if facts:
            self.book.raise_(Finding.SLOW_CHANGE, who, facts, event)

    def _raise(
        self,
        judged: Judgement,
        past: Assessment | None,
        event: Event,
        held: tuple[TermKey, ...],
    ) -> None:
        found, loud = self._sorted(judged.found, past, event)
        if not loud and judged.beside:
            # Who silenced the alert of a strong finding did not mean what else is new.
            others, loud = self._sorted(judged.beside, past, event)
            found = others if loud else found
        first = (loud or found)[0]
        value = self._group_value(first, past, event.owner)
        facts = tuple(dict.fromkeys(one.stated for one in found))
        if past is not None and KINDS[first.finding].rank is Rank.BASELINE:
            facts = tuple(dict.fromkeys((*facts, *(one.fact for one in past.novelties))))
        severity = self._severity(first, past, len(facts), found)
        self.book.raise_(first.finding, value, facts, event, severity=severity, terms=held)

    def _sorted(
        self, found: tuple[Found, ...], past: Assessment | None, event: Event
    ) -> tuple[list[Found], list[Found]]:
        """Return findings, the gravest first, and those that may name an alert."""
        ordered = self._gravest_first(found)
        groups = [
            group_of(one.finding, self._group_value(one, past, event.owner)) for one in ordered
        ]
        fresh = [
            one for one, group in zip(ordered, groups, strict=True) if not self.book.is_open(group)
        ]
        if fresh:
            return ordered, fresh
        facts = tuple(dict.fromkeys([one.stated for one in ordered]))
        wall = event.time + event.realtime_offset
        loud = [
            one
            for one, group in zip(ordered, groups, strict=True)
            if not self.book.is_silent(group, facts, wall)
        ]
        return ordered, loud

    def _gravest_first(self, found: tuple[Found, ...]) -> list[Found]:
        if len(found) <= 1:
            return list(found)
        grave = self._tuning.severity
        return sorted(found, key=lambda one: -GRAVER.index(grave(one.finding)))

    def _held_back(self, judged: Judgement, past: Assessment | None) -> tuple[TermKey, ...]:
        """Return what is not learnt of a start with a finding: all that is new about it."""
        if not judged.found:
            return ()
        terms = [term for one in self._gravest_first(judged.found) for term in one.terms]
        if past is not None:
            terms += past.terms
            terms += self._of_new_profiles(past.features)
        return tuple(dict.fromkeys(terms))

    def _of_new_profiles(self, features: Features) -> list[TermKey]:
        """Return all that a profile would begin with: one that is known in part misleads."""
        lesson, baseline = lesson_of(features), self.baseline
        return lesson.terms_of([key for key, _ in lesson.profiles if baseline.profile(key) is None])

    def _group_value(self, found: Found, past: Assessment | None, owner: str | None) -> str:
        """Return what names an alert's group: while a node learns, all new ones of a kind are one.

        What was reported in that alert stays in it for as long as it is held back.
        """
        value = apart(found.value, owner)
        if past is None or found.finding not in GROUPED:
            return value
        learning = apart(WHILE_LEARNING, owner)
        if past.phase is BaselineState.LEARNING:
            return learning
        reported = self.book.is_open(group_of(found.finding, learning))
        still = any(self.held.holds(term) for term in found.terms)
        return learning if reported and still else value

    def _severity(
        self, first: Found, past: Assessment | None, facts: int, found: list[Found]
    ) -> AlertSeverity:
        severity = self._tuning.severity(first.finding)
        steps = 0
        if KINDS[first.finding].rank is Rank.BASELINE and past is not None:
            whos = past.features.whos
            stranger = any(not who.named and who.kind is not WhoKind.ENGINE for who in whos)
            steps += facts >= MANY_FACTS or stranger
            if all(self.fleet.knows(term) for one in found for term in one.terms):
                steps -= bool(first.terms)
        return graver(severity, steps)

    def released(self, id_: str, at: int) -> int:
        """Learn what was held back because of an alert; returns how many values."""
        entry = self.book.get(id_)
        terms = entry.terms if entry is not None else ()
        for term in terms:
            self.baseline.learn_term(term, at)
        self.held.release(terms)
        self.book.release(id_)
        return len(terms)


def _flooded(owner: str | None) -> Fact:
    most = PROFILES[0] if owner is None else PROFILES[0] // SHARE
    return Fact(
        "new workloads",
        f"at most {most} that were seen on one day",
        "more: the least recent of them are forgotten",
        "node",
        Strength.STRONG,
    )

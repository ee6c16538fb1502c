"""The alerts of this node: grouped, counted, held back where they come too fast, never rewritten.

Rules:

1. One alert for each group (finding and novel value). Seen again it is counted. An event says so
   once a day, when a fact is new, when it is graver, and when the count reaches 10, 100, 1,000.
2. Only so many new alerts are reported an hour (:mod:`sensor.judge.alert_rate`), and as many with
   something new. Others wait for the next one: none is lost.
3. An alert that was not seen for ``RESOLVED_AFTER`` is resolved. A new start of its kind is a new
   alert then. So is each incident after one that was acknowledged. A suppressed one stays as it is
   until its suppression ends: it is silent for the whole time that was asked for.
4. ``ALERTS_MAX`` of root's are remembered, and ``ALERTS_SHARE`` of each other account. The one that
   was seen last longest ago goes first, the open ones after all others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.judge.alert_event import alert_event, alert_id, group_of
from sensor.judge.alert_rate import NS_PER_HOUR, AlertRate
from sensor.judge.alert_recurrence import (
    FACTS_MAX,
    GRAVER,
    TERMS_MAX,
    has_new,
    is_over,
    is_suppressed,
    latest,
    state_again,
    together,
    with_start,
)
from sensor.judge.alert_row import AlertEntry, entry_of_row, entry_row
from sensor.judge.tuning import DEFAULT
from sensor.model.account import apart, share_in
from sensor.model.alert import AlertSeverity, AlertState
from sensor.model.vocabulary import EventType, Finding
from sensor.shares import Occupancy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.ledger import Row, RowKey
    from sensor.judge.lesson import TermKey
    from sensor.model.alert import Fact
    from sensor.model.events import Event

ALERTS_MAX = 1024
"""Alerts of root's; all other accounts together have as many."""
ALERTS_SHARE = 128
ALERT_ROW = "alert"
NS_PER_DAY = 24 * NS_PER_HOUR
RESOLVED_AFTER = 30 * NS_PER_DAY
MILESTONES = frozenset(10**power for power in range(1, 10))
OPEN = frozenset({AlertState.NEW, AlertState.UPDATE})
SILENT = frozenset({AlertState.SUPPRESSED, AlertState.ACKNOWLEDGED})
_entry = maker(AlertEntry)


class AlertBook:
    """Owns the alerts. Times are wall-clock ns."""

    def __init__(self, *, keeping: bool = True, rows: list[Row] | None = None) -> None:
        """Without ``keeping`` no rows are left.

        ``rows`` is the list to leave them in.
        """
        self._keeping = keeping
        self._entries: dict[str, AlertEntry] = {}
        self._held = Occupancy(ALERTS_MAX, ALERTS_SHARE)
        self.tuning = DEFAULT
        self._waiting: dict[str, Event | None] = {}
        """New alerts that the rate holds back, by group, with the event to report if it is known:
        an agent that was killed leaves the alert alone."""
        self._later: dict[str, Event] = {}
        """What is new about known alerts and waits for the next hour, by group."""
        self._rate = AlertRate()
        self._looked: int | None = None
        """The hour in which it was looked whether what waits may be reported."""
        self.rows: list[Row] = [] if rows is None else rows
        self.events: list[Event] = []
        self.held_back = 0
        """New alerts that had to wait for the next hour."""
        self.suppressed = 0
        """Recurrences that a suppression kept silent."""
        self.dropped = 0

    def restore(self, rows: Mapping[RowKey, bytes]) -> list[RowKey]:
        """Take over what the store kept; returns which rows made no sense."""
        unreadable: list[RowKey] = []
        for (kind, key), row in rows.items():
            if kind != ALERT_ROW:
                continue
            try:
                entry = entry_of_row(row)
                self._enter(key, entry)
                if not entry.reported:
                    self._waiting[key] = None
            except ValueError:
                unreadable.append((kind, key))
        return unreadable

    def entries(self) -> tuple[AlertEntry, ...]:
        """Return all alerts, the latest first."""
        return tuple(sorted(self._entries.values(), key=lambda one: (-one.last, one.id)))

    def is_open(self, group: str) -> bool:
        """Whether a group has an alert which is not resolved."""
        known = self._entries.get(group)
        return known is not None and known.state is not AlertState.RESOLVED

    def is_silent(self, group: str, facts: tuple[Fact, ...], wall: int) -> bool:
        """Whether one more start of a group would be reported to no person."""
        known = self._entries.get(group)
        if known is None or is_over(known):
            return False
        return state_again(known, facts, wall) in SILENT

    def get(self, id_: str) -> AlertEntry | None:
        """Return an alert by its id, or by a beginning of it that no other has."""
        found = [one for one in self._entries.values() if one.id.startswith(id_)]
        return found[0] if len(found) == 1 and id_ else None

    # ----------------------------------------------------------------- raising

    def raise_(
        self,
        finding: Finding,
        value: str,
        facts: tuple[Fact, ...],
        source: Event,
        *,
        severity: AlertSeverity | None = None,
        terms: tuple[TermKey, ...] = (),
    ) -> None:
        """Raise or count an alert about an event. ``terms`` are what is not learnt for it."""
        if finding in self.tuning.off:
            return
        value = apart(value, source.owner)
        group = group_of(finding, value)
        wall = source.time + source.realtime_offset
        known = self._entries.get(group)
        if known is not None and not is_over(known):
            graver_one = severity if severity is not None else known.severity
            self._again(group, known, source, facts, wall, terms, graver_one)
            return
        entry = AlertEntry(
            id=alert_id(source, group, wall),
            finding=finding,
            value=value[:400],
            severity=severity or self.tuning.severity(finding),
            state=AlertState.NEW,
            start=source.id if source.type is EventType.START else None,
            workload=source.verdict.workload if source.verdict is not None else None,
            count=1,
            first=wall,
            last=wall,
            days=1,
            reported=wall,
            facts=facts[:FACTS_MAX],
            terms=terms[:TERMS_MAX],
            starts=with_start((), source),
        )
        event = alert_event(group, entry, source)
        if self._rate.allows(wall, AlertState.NEW, share_in(value)):
            self.events.append(event)
        else:
            self.held_back += 1
            self._waiting[group] = event
            entry = replace(entry, reported=0)
        self._set(group, entry)
        self._bound(share_in(entry.value))

    def _again(
        self,
        group: str,
        known: AlertEntry,
        source: Event,
        facts: tuple[Fact, ...],
        wall: int,
        terms: tuple[TermKey, ...],
        severity: AlertSeverity,
    ) -> None:
        new_day = wall // NS_PER_DAY > known.last // NS_PER_DAY
        fresh = has_new(known, facts)
        worse = GRAVER.index(severity) > GRAVER.index(known.severity)
        state = state_again(known, facts, wall)
        waits = group in self._waiting
        entry = _entry(
            known.id,
            known.finding,
            known.value,
            severity if worse else known.severity,
            AlertState.UPDATE if state is AlertState.NEW and not waits else state,
            source.id if source.type is EventType.START else known.start,
            known.workload,
            known.count + 1,
            known.first,
            max(wall, known.last),
            known.days + new_day,
            known.reported,
            latest(known.facts, facts) if fresh else known.facts,
            known.terms if terms == known.terms else together(known.terms, terms),
            known.by,
            known.reason,
            known.until,
            with_start(known.starts, source),
        )
        if state in SILENT:
            self.suppressed += 1
        elif waits:
            # Its first event has all of it.
            pass
        elif new_day or entry.count in MILESTONES:
            entry = self._updated(group, entry, source, wall)
        elif fresh or worse:
            if self._rate.allows(wall, AlertState.UPDATE, share_in(entry.value)):
                entry = self._updated(group, entry, source, wall)
            else:
                self._later[group] = source
        self._set(group, entry)

    def _updated(self, group: str, entry: AlertEntry, source: Event, wall: int) -> AlertEntry:
        self._later.pop(group, None)
        entry = replace(entry, reported=wall)
        self.events.append(alert_event(group, entry, source))
        return entry

    # ----------------------------------------------------------------- what people do

    def acknowledge(self, id_: str, by: str, reason: str, now: Event) -> AlertEntry | None:
        """Acknowledge an alert; returns it. ``now`` has the time."""
        return self._settle(id_, AlertState.ACKNOWLEDGED, by, reason, None, now)

    def suppress(self, id_: str, by: str, reason: str, until: int, now: Event) -> AlertEntry | None:
        """Keep an alert's group silent until a time."""
        return self._settle(id_, AlertState.SUPPRESSED, by, reason, until, now)

    def _settle(
        self, id_: str, state: AlertState, by: str, reason: str, until: int | None, now: Event
    ) -> AlertEntry | None:
        known = self.get(id_)
        if known is None:
            return None
        group = group_of(known.finding, known.value)
        entry = replace(known, state=state, by=by, reason=reason, until=until)
        if self._leave(group):
            entry = replace(entry, reported=now.time + now.realtime_offset)
        over = known.state is AlertState.RESOLVED and state is AlertState.ACKNOWLEDGED
        # What is over stays over: the next of its kind is a new alert.
        self._set(group, replace(entry, state=AlertState.RESOLVED) if over else entry)
        self.events.append(alert_event(group, entry, now))
        return entry

    def release(self, id_: str) -> None:
        """Hold nothing back of an alert any more."""
        known = self.get(id_)
        if known is not None:
            self._set(group_of(known.finding, known.value), replace(known, terms=()))

    def resolve(self, finding: Finding, value: str, now: Event, reason: str) -> None:
        """Report that what an alert is about has ended."""
        group = group_of(finding, value)
        known = self._entries.get(group)
        if known is None or known.state is AlertState.RESOLVED:
            return
        if is_suppressed(known, now.time + now.realtime_offset):
            return
        entry = replace(known, state=AlertState.RESOLVED, by=None, reason=reason, until=None)
        self._set(group, entry)
        self._leave(group)
        self.events.append(alert_event(group, entry, now))

    def clock_was_set(self, boot: int, now: int, by: int) -> None:
        """Take note that the clock was set; ``boot`` and ``now`` are by the old one.

        What was seen in this boot was seen as long ago as before.
        """
        for group, one in list(self._entries.items()):
            if boot <= one.last <= now:
                first = one.first + by if one.first >= boot else one.first
                self._set(group, replace(one, first=first, last=one.last + by))

    def tick(self, now: Event) -> None:
        """Report what waited, and resolve what has not been seen for long."""
        wall = now.time + now.realtime_offset
        if (self._waiting or self._later) and self._looked != wall // NS_PER_HOUR:
            # Until the next hour no account has more than what it used up.
            self._looked = wall // NS_PER_HOUR
            self._report_waiting(now, wall)
        for one in list(self._entries.values()):
            if one.state is not AlertState.RESOLVED and wall - one.last > RESOLVED_AFTER:
                self.resolve(one.finding, one.value, now, "it was not seen again for 30 days")

    # ----------------------------------------------------------------- inside

    def _report_waiting(self, now: Event, wall: int) -> None:
        for group in self._allowed(self._waiting, AlertState.NEW, wall):
            source = self._waiting.pop(group) or now
            entry = replace(self._entries[group], reported=wall)
            self._set(group, entry)
            self.events.append(alert_event(group, entry, source))
        for group in self._allowed(self._later, AlertState.UPDATE, wall):
            self._set(group, self._updated(group, self._entries[group], self._later[group], wall))

    def _allowed(self, waiting: Iterable[str], state: AlertState, wall: int) -> list[str]:
        shares = [(group, share_in(self._entries[group].value)) for group in waiting]
        return [group for group, share in shares if self._rate.allows(wall, state, share)]

    def _leave(self, group: str) -> bool:
        """Let a group wait no more; returns whether its first event did."""
        self._later.pop(group, None)
        if group not in self._waiting:
            return False
        del self._waiting[group]
        return True

    def _enter(self, group: str, entry: AlertEntry) -> None:
        if group not in self._entries:
            self._held.enter(share_in(entry.value))
        self._entries[group] = entry

    def _set(self, group: str, entry: AlertEntry) -> None:
        self._enter(group, entry)
        if self._keeping:
            self.rows.append((ALERT_ROW, group, entry_row(entry)))

    def _bound(self, entered: str | None) -> None:
        if not self._held.is_full(entered):
            return
        share = self._held.giving_way(entered)
        group = min(
            (one for one in self._entries if share_in(self._entries[one].value) == share),
            key=lambda one: (
                self._entries[one].state in OPEN,
                self._entries[one].last,
                one,
            ),
        )
        del self._entries[group]
        self._held.leave(share)
        self._leave(group)
        self.dropped += 1
        if self._keeping:
            self.rows.append((ALERT_ROW, group, None))

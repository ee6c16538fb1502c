"""The judge: gives each start its verdict and remembers what later ones need.

    event ─▶ Judge.judge ─▶ the same event with its verdict
                │
                ├── rows ─▶ the store, in the transaction of the event
                └── notes ─▶ the core, which makes ``sensor`` events of them

Pure: the wall clock is what events and :meth:`Judge.tick` bring.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.frozen import changer, maker
from sensor.judge import late_change
from sensor.judge.alerting import Alerting
from sensor.judge.baseline import PLAUSIBLE
from sensor.judge.case import facts_of
from sensor.judge.change_label import claim_of
from sensor.judge.findings.hidden_start import SECONDS as HIDDEN_SECONDS
from sensor.judge.findings.sensor_tampering import DOWN_SECONDS
from sensor.judge.findings.wide_change import HOURS as WIDE_HOURS
from sensor.judge.judgement import Case
from sensor.judge.ledger import Ledger, Note, Row, RowKey
from sensor.judge.lifecycle import continuation_of
from sensor.judge.memory import Memory
from sensor.judge.missing_initiator import CommandGaps, missing_initiator
from sensor.judge.operational import Operational
from sensor.judge.policy import Policy
from sensor.judge.privilege import strong
from sensor.judge.tampering import config_of, restored, tampering_of
from sensor.judge.verdict import decide
from sensor.judge.workload import workload_of
from sensor.model.account import INSIDE, inside
from sensor.model.alert import Fact, Strength
from sensor.model.events import Event, Verdict
from sensor.model.vocabulary import BaselineState, EventType, Finding, StartKind, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from sensor.judge.case import Facts
    from sensor.judge.feature import Features
    from sensor.judge.judgement import Judgement
    from sensor.judge.late_change import SeenStart
    from sensor.judge.lifecycle import Past
    from sensor.model.agent_records import HostFacts

STEP = 2_000_000_000
"""Nanoseconds by which the wall clock may be set before hours and changes become unknown."""
SETTLED_AFTER = 3_600_000_000_000
"""Nanoseconds of agreement after which the clock is trusted again."""
NOT_SET = "the clock is not set: it says a year before 2020"
CLOCK_ROW, CLOCK_KEY = "clock", "offset"
NS_PER_SECOND = 1_000_000_000
SANDBOX = "pause container of a pod: the pod's containers are judged"
UNKNOWN_CONTAINER = "an unknown container"
_ID = re.compile(r"[^/ ]+")
NONE = "none"
"""What is counted where there is no explanation."""
_case, _with_verdict = maker(Case), changer(Event, "verdict")


@dataclass(slots=True)
class _Judged:
    """A start that was judged, and what its conclusion needs."""

    event: Event
    facts: Facts
    past: Past
    features: Features
    case: Case
    judged: Judgement


class Judge:
    """One judge for all events of a node, in their order."""

    def __init__(
        self, policy: Policy | None = None, *, keeping: bool = True, zone: tzinfo = UTC
    ) -> None:
        """Without ``keeping`` nothing is handed to a store: for a trial and for a replay.

        ``zone`` is the host's: people have hours in it.
        """
        self._rows: list[Row] = []
        """What the store has to write; all parts leave it here."""
        self.ledger = Ledger(self._rows)
        self.memory = Memory(keeping=keeping, rows=self._rows)
        self.alerting = Alerting(zone, keeping=keeping, rows=self._rows)
        self.operational = Operational(self.alerting.book, keeping=keeping, rows=self._rows)
        self.policy = policy or Policy()
        self.explanations: Counter[str] = Counter()
        """Starts by explanation, ``none`` where there is no explanation."""
        self.findings: Counter[str] = Counter()
        self.damaged: tuple[Row, ...] = ()
        """Rows of the store that made no sense, and those that are of no use without them."""
        self._offset: int | None = None
        self._unsettled: tuple[int, str] | None = None
        """Until when the wall clock is not trusted, in ns since boot, and why."""
        self._gaps = CommandGaps()
        self._open: _Judged | None = None
        """The start that was judged and is not concluded."""
        self._boot: str | None = None
        self.host: HostFacts | None = None
        """The node, as the last event named it."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._policy = policy
        self.alerting.tune(policy.tuning)
        self.operational.tuning = policy.tuning
        self.ledger.wide_hours = policy.tuning.number(WIDE_HOURS)

    def restore(self, rows: Mapping[RowKey, bytes]) -> None:
        """Take over what the store kept of an earlier run. What is damaged is removed from it."""
        parts = (self.ledger, self.memory, self.alerting, self.operational)
        damaged = [key for part in parts for key in part.restore(rows)]
        row = rows.get((CLOCK_ROW, CLOCK_KEY))
        if row is not None:
            try:
                self._boot, self._offset, self._unsettled = _clock_of_row(row)
            except ValueError:
                damaged.append((CLOCK_ROW, CLOCK_KEY))
        self.damaged = tuple((kind, key, rows[kind, key]) for kind, key in damaged)
        # Removals first: what a part has written since counts.
        self._rows[:0] = [(kind, key, None) for kind, key in damaged]

    def judge(self, event: Event) -> Event:
        """Return a start with its verdict, any other event as it is, and conclude."""
        judged = self.look_at(event)
        self.conclude()
        return judged

    def look_at(self, event: Event) -> Event:
        """Return a start with its verdict; any other event as it is.

        What follows from it waits for :meth:`conclude`: a start's line is not to wait for that.
        """
        self.conclude()
        if event.owner is not None:
            event = self._placed(event, event.owner)
        self.host = event.host or self.host
        match event.type:
            case EventType.START:
                pass
            case EventType.STOP:
                self.memory.note_stop(event)
                return event
            case EventType.START_FAILED:
                self.operational.on_failed(event)
                return event
            case _:
                self._look_at_sensor(event)
                return event
        verdict = self._verdict(event)
        self.explanations[verdict.explanation or NONE] += 1
        if verdict.findings:
            self.findings.update(verdict.findings)
        judged = _with_verdict(event, verdict)
        if self._open is not None:
            self._open.event = judged
        return judged

    def verdict(self, event: Event) -> Verdict:
        """Judge a start and remember it; raise no alert."""
        self.conclude()
        if event.owner is not None:
            event = self._placed(event, event.owner)
        verdict = self._verdict(event)
        if (judged := self._remembered()) is not None:
            assessment = judged.case.assessment
            self.alerting.remember(judged.facts, assessment, judged.judged)
        return verdict

    def _placed(self, event: Event, owner: str) -> Event:
        """Return an event whose owner is a container by its workload: ids are others each time."""
        id_ = owner.removeprefix(INSIDE)
        if not owner.startswith(INSIDE) or not _ID.fullmatch(id_):
            # A user's, or read from the log, where it is placed.
            return event
        return replace(event, owner=inside(self.memory.workload_of(id_) or UNKNOWN_CONTAINER))

    def _verdict(self, event: Event) -> Verdict:
        if event.container is not None and event.container.sandbox:
            workload = workload_of(event)
            key = workload.key if workload is not None else None
            return Verdict(expected=None, reasons=(SANDBOX,), workload=key)
        facts = facts_of(event)
        if facts is None:
            return Verdict(expected=None)
        self._look_at_clock(event)
        past = self.memory.past_of(facts)
        case = self._case(facts, event)
        case.continuation = continuation_of(facts, past)
        case.claim = claim_of(event, self.ledger, facts.wall)
        features = self.alerting.features(facts, self.memory.workload_of)
        if not _carries_on(facts, past):
            settled = case.unsettled is None
            case.assessment = self.alerting.assess(facts, features, settled=settled)
        if not features.whos:
            baseline = self.alerting.baseline
            case.no_initiator = missing_initiator(facts, features, baseline, self._gaps)
        if facts.trigger is Trigger.DIRECT_RUNTIME:
            at = facts.wall // NS_PER_SECOND
            case.knows_direct = self.alerting.knows_direct(features, at)
        judged = decide(case)
        self._open = _Judged(event, facts, past, features, case, judged)
        return judged.verdict

    def conclude(self) -> None:
        """Remember the start that was judged last, and raise the alerts that follow from it."""
        if self._open is None or (last := self._remembered()) is None:
            return
        event, facts, judged = last.event, last.facts, last.judged
        source = event if event.verdict is not None else _with_verdict(event, judged.verdict)
        self.alerting.conclude(facts, last.case.assessment, judged, source)
        at = facts.wall // NS_PER_SECOND
        learning = self.alerting.baseline.phase(at) is BaselineState.LEARNING
        running = self.memory.running
        self.operational.on_start(facts, last.features, source, running, learning=learning)

    def _remembered(self) -> _Judged | None:
        """Return the start that was judged last, once it is remembered."""
        last, self._open = self._open, None
        if last is None:
            return None
        facts, judged = last.facts, last.judged
        for change in judged.decision.changes:
            self.ledger.use(change, last.event.id, facts.wall)
        self.memory.note_start(facts, last.past, judged)
        return last

    def learn(self, event: Event) -> bool:
        """Learn a start of before without judging it; False for what teaches nothing."""
        facts = facts_of(event)
        again = facts is not None and facts.by_itself and facts.kind is not StartKind.FIRST
        if facts is None or again or (event.container is not None and event.container.sandbox):
            return False
        self.alerting.learn(facts, self.alerting.features(facts, self.memory.workload_of))
        return True

    def _look_at_sensor(self, event: Event) -> None:
        self._gaps.note(event)
        found = tampering_of(event, self._boot, self.policy.tuning.number(DOWN_SECONDS))
        if found is not None:
            value, fact = found
            self.alerting.book.raise_(Finding.SENSOR_TAMPERING, value, (fact,), event)
        elif (written := config_of(event)) is not None:
            value, fact = written
            self.alerting.book.raise_(Finding.ENGINE_CONFIG, value, (fact,), event)
        elif (what := restored(event)) is not None:
            reason = f"the {what} are there again"
            self.alerting.book.resolve(Finding.SENSOR_TAMPERING, what, event, reason)

    def hidden(self, event: Event) -> None:
        """Raise the alert of a start that its engine, which was listened to, did not report."""
        if event.owner is not None:
            event = self._placed(event, event.owner)
        engine = event.container.runtime if event.container is not None else None
        seen = f"nothing for {self.policy.tuning.number(HIDDEN_SECONDS)} s"
        fact = Fact("engine's events", f"a start by {engine}", seen, None, Strength.STRONG)
        facts = facts_of(event)
        workload = facts.workload.key if facts is not None and facts.workload is not None else ""
        self.findings[Finding.HIDDEN_START] += 1
        self.alerting.book.raise_(Finding.HIDDEN_START, f"{engine} {workload}", (fact,), event)

    def _case(self, facts: Facts, event: Event) -> Case:
        self.ledger.tick(facts.wall)
        unsettled = self._unsettled
        if unsettled is not None and event.time >= unsettled[0]:
            unsettled = self._unsettled = None
        reason = unsettled[1] if unsettled is not None else None
        if facts.wall < PLAUSIBLE * NS_PER_SECOND:
            reason = NOT_SET
        return _case(
            facts=facts,
            policy=self.policy,
            changes=self.ledger.covering(facts, facts.wall),
            continuation=None,
            unsettled=reason,
        )

    def _look_at_clock(self, event: Event) -> None:
        boot = event.host.boot_id if event.host is not None else None
        earlier = self._offset if boot == self._boot else None
        if boot != self._boot:
            # Times since boot of two boots do not compare.
            self._boot, self._unsettled = boot, None
        elif earlier == event.realtime_offset:
            return
        self._offset = event.realtime_offset
        if earlier is not None and abs(event.realtime_offset - earlier) > STEP:
            seconds = (event.realtime_offset - earlier) / NS_PER_SECOND
            reason = f"the clock was set by {seconds:+.0f} s within the last hour"
            self._unsettled = event.time + SETTLED_AFTER, reason
            booted, now = earlier // NS_PER_SECOND, (earlier + event.time) // NS_PER_SECOND
            self.alerting.baseline.clock_was_set(booted, now, round(seconds))
            by = event.realtime_offset - earlier
            self.alerting.book.clock_was_set(earlier, earlier + event.time, by)
        row = _clock_row(self._boot, self._offset, self._unsettled)
        self._rows.append((CLOCK_ROW, CLOCK_KEY, row))

    def tick(self, now: int, offset: int) -> None:
        """Report what ended by itself; ``now`` is ns since boot, ``offset`` makes it wall time."""
        self.ledger.tick(now + offset)
        moment = self.moment(now, offset)
        self.operational.tick(moment)
        self.alerting.book.tick(moment)

    def moment(self, now: int, offset: int) -> Event:
        """Return an event that holds the time and the host, for alerts that no event makes."""
        return Event(EventType.SENSOR, f"tick-{now}", now, now, offset, self.host)

    def acknowledge_late(self, id_: str, seen: Mapping[str, SeenStart], now: Event) -> None:
        """Acknowledge the open alerts of earlier starts that a change covers.

        ``seen`` are starts of the log by their ids, ``now`` has the time.
        """
        wall = now.time + now.realtime_offset
        entry = self.ledger.get(id_, wall)
        if entry is None or self._unsettled is not None or entry.wide is not None:
            return
        change = entry.change
        for alert in late_change.candidates(change, self.alerting.book.entries()):
            going_on = self.ledger.get(id_, wall)
            if going_on is None or going_on.usage.reported is not None:
                return
            if not late_change.covers(change, going_on.usage, alert, seen):
                continue
            by, reason = change.added_by or change.origin, late_change.reason_of(change)
            self.alerting.book.acknowledge(alert.id, by, reason, now)
            self.alerting.released(alert.id, wall // NS_PER_SECOND)
            self.ledger.acknowledged(change, alert.count)

    def take_rows(self) -> tuple[Row, ...]:
        """Return what the store has to write since the last call."""
        rows = tuple(self._rows)
        self._rows.clear()
        return rows

    def take_alerts(self) -> tuple[Event, ...]:
        """Return the alerts that follow from what was judged since the last call."""
        events = self.alerting.book.events
        if not events:
            return ()
        alerts = tuple(events)
        events.clear()
        return alerts

    def take_notes(self) -> tuple[Note, ...]:
        """Return what has to be reported since the last call."""
        notes = (*self.ledger.notes, *self.alerting.notes)
        self.ledger.notes.clear()
        self.alerting.notes.clear()
        return notes


def _carries_on(facts: Facts, past: Past) -> bool:
    """Whether an engine or the kubelet starts again what was judged when it began."""
    origin = past.container
    if not facts.by_itself or facts.kind is StartKind.FIRST or origin is None:
        return False
    repository = facts.image.repository if facts.image is not None else None
    return repository == origin.repository and not strong(facts.atoms) - origin.atoms


def _clock_row(boot: str | None, offset: int | None, unsettled: tuple[int, str] | None) -> bytes:
    return json.dumps([boot, offset, unsettled]).encode()


def _clock_of_row(row: bytes) -> tuple[str | None, int | None, tuple[int, str] | None]:
    match json.loads(row):
        case [None | str() as boot, None | int() as offset, None]:
            return boot, offset, None
        case [None | str() as boot, None | int() as offset, [int(until), str(reason)]]:
            return boot, offset, (until, reason)
        case _:
            message = "not the state of the clock"
            raise ValueError(message)

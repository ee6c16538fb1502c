"""The judge: gives each start its verdict and remembers what later ones need.

    event ─▶ Judge.judge ─▶ the same event with its verdict
                │
                ├── rows ─▶ the store, in the transaction of the event
                └── notes ─▶ the core, which makes ``sensor`` events of them

Pure: the wall clock is what events and :meth:`Judge.tick` bring.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from sensor.judge.case import facts_of
from sensor.judge.ledger import Ledger, Note, Row
from sensor.judge.lifecycle import continuation_of
from sensor.judge.memory import Memory
from sensor.judge.policy import Policy
from sensor.judge.verdict import Case, decide
from sensor.judge.workload import workload_of
from sensor.model.events import Event, Verdict
from sensor.model.vocabulary import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.judge.case import Facts

STEP = 2_000_000_000
"""Nanoseconds by which the wall clock may be set before hours and changes become unknown."""
SETTLED_AFTER = 3_600_000_000_000
"""Nanoseconds of agreement after which the clock is trusted again."""
CLOCK_ROW, CLOCK_KEY = "clock", "offset"
NS_PER_SECOND = 1_000_000_000
SANDBOX = "pause container of a pod: the pod's containers are judged"
NONE = "none"
"""What is counted where there is no explanation."""


class Judge:
    """One judge for all events of a node, in their order."""

    def __init__(self, policy: Policy | None = None, *, keeping: bool = True) -> None:
        """Without ``keeping`` nothing is handed to a store: for a trial and for a replay."""
        self.policy = policy or Policy()
        self.ledger = Ledger()
        self.memory = Memory(keeping=keeping)
        self.explanations: Counter[str] = Counter()
        """Starts by explanation, ``none`` where there is no explanation."""
        self.findings: Counter[str] = Counter()
        self.unreadable = 0
        """Rows of the store that made no sense."""
        self._offset: int | None = None
        self._unsettled: tuple[int, str] | None = None
        """Until when the wall clock is not trusted, in ns since boot, and why."""
        self._boot: str | None = None
        self._clock_rows: list[Row] = []

    def restore(self, rows: Mapping[tuple[str, str], bytes]) -> None:
        """Take over what the store kept of an earlier run."""
        self.unreadable = self.ledger.restore(rows) + self.memory.restore(rows)
        row = rows.get((CLOCK_ROW, CLOCK_KEY))
        if row is not None:
            try:
                self._boot, self._offset, self._unsettled = _clock_of_row(row)
            except ValueError:
                self.unreadable += 1

    def judge(self, event: Event) -> Event:
        """Return a start with its verdict; any other event as it is."""
        if event.type is EventType.STOP:
            self.memory.note_stop(event)
            return event
        if event.type is not EventType.START:
            return event
        verdict = self.verdict(event)
        self.explanations[verdict.explanation or NONE] += 1
        if verdict.findings:
            self.findings.update(verdict.findings)
        return _with_verdict(event, verdict)

    def verdict(self, event: Event) -> Verdict:
        """Judge a start and remember it."""
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
        judged = decide(case)
        for change in judged.decision.changes:
            self.ledger.use(change, event.id, facts.wall)
        self.memory.note_start(facts, past, judged)
        return judged.verdict

    def _case(self, facts: Facts, event: Event) -> Case:
        self.ledger.tick(facts.wall)
        unsettled = self._unsettled
        if unsettled is not None and event.time >= unsettled[0]:
            unsettled = self._unsettled = None
        return Case(
            facts=facts,
            policy=self.policy,
            changes=self.ledger.covering(facts, facts.wall),
            continuation=None,
            unsettled=unsettled[1] if unsettled is not None else None,
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
        self._clock_rows = [
            (CLOCK_ROW, CLOCK_KEY, _clock_row(self._boot, self._offset, self._unsettled))
        ]

    def tick(self, wall: int) -> None:
        """Report what ended by itself: changes that expired."""
        self.ledger.tick(wall)

    def take_rows(self) -> tuple[Row, ...]:
        """Return what the store has to write since the last call."""
        rows = (*self.memory.rows, *self.ledger.rows, *self._clock_rows)
        self.memory.rows.clear()
        self.ledger.rows.clear()
        self._clock_rows.clear()
        return rows

    def take_alerts(self) -> tuple[Event, ...]:
        """Return the alerts that follow from what was judged since the last call."""
        return ()

    def take_notes(self) -> tuple[Note, ...]:
        """Return what has to be reported since the last call."""
        notes = tuple(self.ledger.notes)
        self.ledger.notes.clear()
        return notes


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


_NAMES = tuple(one.name for one in fields(Event))
_VERDICT = _NAMES.index("verdict")
_values = attrgetter(*_NAMES)


def _with_verdict(event: Event, verdict: Verdict) -> Event:
    """Return the event with its verdict: a tenth of the time that ``dataclasses.replace`` takes."""
    values = list(_values(event))
    values[_VERDICT] = verdict
    return Event(*values)

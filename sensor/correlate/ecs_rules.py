"""Which write of a rule of EventBridge, or of a schedule of its Scheduler, caused a task of ECS.

- The task says which one ran it, by a name that ECS cuts at 36 characters. Only where EventBridge
  itself, or its Scheduler, made the call of RunTask is that name no text of the caller.
- Names are unique within an event bus or a group. A write whose role or task definition is another
  than the call's is of another one.
- The latest write before the call counts. Where writes of different actors are left (two within
  ``CLOSE``, or of names that are alike once they are cut), the answer is ambiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.bounded import Bounded
from sensor.correlate.chain_answer import same_client
from sensor.correlate.chain_ends import AHEAD
from sensor.correlate.chain_index import SECOND
from sensor.model.control_plane import ActorKind

if TYPE_CHECKING:
    from sensor.correlate.chain_records import HeldRecords
    from sensor.model.control_plane import ControlRecord

RULES_LIMIT = 2000
"""Rules and schedules whose writes are remembered."""
STARTED_BY_LIMIT = 36
"""Characters of ``startedBy`` that EventBridge and its Scheduler give a task (seen in 2026)."""
CLOSE = 5 * SECOND
"""Two writes of a rule so near to each other may both be the one that counts."""
_CALLERS = {"events-rule": "events.amazonaws.com", "chronos-schedule": "scheduler.amazonaws.com"}

RuleKey = tuple[str | None, str | None, str]
"""Account, region, the name as it is cut."""
Home = tuple[str | None, str | None]


class EcsRules:
    """Takes writes of rules and schedules in any order; finds the cause of a task."""

    def __init__(self, held: HeldRecords) -> None:
        self._writes: Bounded[RuleKey, list[ControlRecord]] = Bounded(RULES_LIMIT)
        self._held = held

    @property
    def evicted(self) -> int:
        """How many rules went for want of room."""
        return self._writes.evicted

    def wrote(self, home: Home, rule: str, record: ControlRecord) -> None:
        """Take a write."""
        key = (*home, rule[:STARTED_BY_LIMIT])
        writes = self._writes.get(key)
        if writes is None:
            writes = []
            self._writes.put(key, writes)
        self._held.keep(home, writes, record, _time)

    def causes(self, home: Home, run: ControlRecord) -> list[ControlRecord]:
        """Return the writes that may have caused a call of RunTask, the best at first."""
        rule = (run.ecs.rule if run.ecs is not None else None) or ""
        writes = [
            one
            for one in self._writes.get((*home, rule[:STARTED_BY_LIMIT])) or ()
            if _time(one) <= _time(run) + AHEAD and _fits(one, rule, run)
        ]
        # A write after the call counts only where clocks differ, and no earlier one fits.
        writes = [one for one in writes if _time(one) <= _time(run)] or writes
        latest: dict[tuple[str | None, str | None], ControlRecord] = {}
        rivals: list[ControlRecord] = []
        for write in writes:
            facts = write.ecs
            place = (None, None) if facts is None else (facts.rule, facts.scope)
            before = latest.get(place)
            if before is not None and _time(write) - _time(before) <= CLOSE:
                rivals.append(before)
            latest[place] = write
        found = sorted(latest.values(), key=_time, reverse=True)
        if not found:
            return []
        best = found[0]
        close = [one for one in rivals if _time(best) - _time(one) <= CLOSE]
        others = [one for one in (*found[1:], *close) if not same_client(one, best)]
        return [best, *others]


def ran_by_time_table(run: ControlRecord) -> bool:
    """Return whether EventBridge or its Scheduler ran a task. Any caller may write the name."""
    actor, facts = run.request.actor, run.ecs
    if facts is None or facts.rule is None or actor is None:
        return False
    caller = _CALLERS.get(facts.rule.partition("/")[0])
    return actor.kind is ActorKind.CLOUD_SERVICE and actor.service == caller


def _fits(write: ControlRecord, rule: str, run: ControlRecord) -> bool:
    """Return whether a write is of the rule that ran a task, as far as both records say."""
    facts, actor = write.ecs, run.request.actor
    if facts is None or facts.rule is None:
        return False
    if len(rule) != STARTED_BY_LIMIT and facts.rule != rule:
        return False
    if facts.role is not None and actor is not None and actor.role not in (None, facts.role):
        return False
    wanted, ran = (_family(one) for one in (write, run))
    return None in (wanted, ran) or wanted == ran


def _family(record: ControlRecord) -> str | None:
    """Return the family of the task definition: a target without a revision has the latest one."""
    workload = record.request.workload
    definition = None if workload is None else workload.definition
    return None if definition is None else definition.partition(":")[0]


def _time(record: ControlRecord) -> int:
    return record.request.requested or 0

"""A policy against what was seen: its verdicts, its rules one by one, and a first suggestion.

Works on documents of the log, on any machine: nothing here asks the agent.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any

from sensor.agent.host_zone import local_zone
from sensor.dataclass import dataclass
from sensor.judge.case import facts_of
from sensor.judge.change_text import change_of_row
from sensor.judge.judge import Judge
from sensor.judge.policy import Approval, Policy, Rule, Section, Suppression
from sensor.model.vocabulary import EventType
from sensor.schema.start_reader import event_of, wall_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.case import Facts
    from sensor.model.events import Event, Verdict

    Document = Mapping[str, Any]

EXAMPLES_MAX = 3
"""Starts that are shown of each group."""
GROUPS_MAX = 1000
"""Groups of a trial; starts beyond them are counted together."""
OTHERS = "others"
NS_PER_DAY = 86_400_000_000_000
SOON = 14 * NS_PER_DAY
"""Nanoseconds before the end of a suppression in which a check warns of it."""


@dataclass(slots=True)
class StartGroup:
    """Starts with one verdict for one reason."""

    expected: bool | None
    because: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class PolicyTrial:
    """Judges starts out of the log by a policy; nothing is changed by it."""

    def __init__(self, policy: Policy, changes: Iterable[Document] = ()) -> None:
        """``changes`` are documents of ``GET /v1/changes``."""
        self._judge = Judge(policy, keeping=False, zone=local_zone())
        for document in changes:
            self._add(document)
        self._groups: dict[tuple[bool | None, str], StartGroup] = {}
        self.starts = 0

    def _add(self, document: Document) -> None:
        row = dict(document)
        for key in ("not_before", "not_after", "added"):
            row[key] = wall_of(row.get(key)) or 0
        ended = wall_of(row.get("ended"))
        if ended is not None:
            # By hand, before its time: later starts were not covered.
            row["not_after"] = min(ended, row["not_after"])
        try:
            change = change_of_row(json.dumps(row).encode())
            self._judge.ledger.add(change, change.not_before)
        except ValueError:
            return

    def feed(self, document: Document) -> None:
        """Judge an event of the log, in its order."""
        event = event_of(document)
        if event is None:
            return
        if event.type is not EventType.START:
            self._judge.judge(event)
            return
        verdict = self._judge.verdict(event)
        if event.container is None or event.container.sandbox:
            return
        self.starts += 1
        self._count(event, verdict)

    def _count(self, event: Event, verdict: Verdict) -> None:
        key = verdict.expected, _because(verdict)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= GROUPS_MAX:
                key = verdict.expected, OTHERS
            group = self._groups.setdefault(key, StartGroup(*key))
        group.count += 1
        if len(group.examples) < EXAMPLES_MAX:
            group.examples.append(_example(event, verdict))

    def groups(self) -> tuple[StartGroup, ...]:
        """Return the groups: what was not expected first, then the unexplained, then the rest."""
        order = {False: 0, None: 1, True: 2}
        found = sorted(self._groups.values(), key=lambda one: (order[one.expected], -one.count))
        return tuple(found)


def _because(verdict: Verdict) -> str:
    if verdict.expected is False:
        return ", ".join(verdict.findings)
    first = verdict.reasons[0] if verdict.reasons else ""
    if verdict.expected is None:
        return first
    if verdict.change is not None:
        return f"change {verdict.change}"
    if first.startswith("policy rule "):
        return first.removesuffix(" expects it")
    return str(verdict.explanation)


def _example(event: Event, verdict: Verdict) -> str:
    container = event.container
    name = (container.name or container.id or "?") if container is not None else "?"
    image = container.image.name if container is not None and container.image else None
    user = event.initiator.user if event.initiator is not None else None
    who = (user.auid_name or user.name) if user is not None else None
    trigger = event.start.trigger if event.start is not None else None
    parts = (name, image, f"by {who}" if who else None, trigger, verdict.workload)
    return " ".join(str(part) for part in parts if part)


# --------------------------------------------------------------------------- one start


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """Whether a rule applies to a start, and why."""

    rule: Rule
    applies: bool
    why: tuple[str, ...]


def answers(policy: Policy, document: Document) -> tuple[RuleAnswer, ...] | None:
    """Return for each rule whether it applies; None for a document that is not a start."""
    event = event_of(document)
    facts = facts_of(event) if event is not None else None
    if facts is None:
        return None
    return tuple(_answer(rule, facts) for rule in policy.rules)


def _answer(rule: Rule, facts: Facts) -> RuleAnswer:
    some = rule.section is Section.FORBID
    if not rule.selector.matches(facts, some=some):
        return RuleAnswer(rule, applies=False, why=rule.selector.unmet(facts, some=some))
    explains = rule.section in {Section.EXPECT, Section.SUPPRESS}
    if explains and not rule.selector.is_meant(facts):
        return RuleAnswer(rule, applies=False, why=(f"it is a container of {facts.owner}",))
    if rule.section is Section.WINDOW:
        no_hours = facts.by_itself and not rule.selector.triggers
        why = (f"trigger {facts.trigger} has no hours",) if no_hours else _in_time(rule, facts)
        return RuleAnswer(rule, applies=not no_hours and not rule.in_time(facts.wall), why=why)
    if not rule.in_time(facts.wall):
        return RuleAnswer(rule, applies=False, why=_in_time(rule, facts))
    refusal = _refusal(rule, facts)
    return RuleAnswer(rule, applies=refusal is None, why=(refusal or "every condition is met",))


def _refusal(rule: Rule, facts: Facts) -> str | None:
    """Return why a rule that selects a start does not apply to it after all."""
    if isinstance(rule, Approval):
        return rule.refusal(facts) or rule.unpinned(facts)
    if isinstance(rule, Suppression) and facts.wall >= rule.until:
        return "it ended before this start"
    if rule.section is Section.EXPECT and (lacking := rule.lacking(facts.atoms)):
        return f"allows: expected {', '.join(lacking)} in it"
    return None


def _in_time(rule: Rule, facts: Facts) -> tuple[str, ...]:
    windows = " or ".join(map(str, rule.windows)) or "always"
    where = "within" if rule.in_time(facts.wall) else "outside of"
    return (f"time: {where} {windows}",)


# --------------------------------------------------------------------------- warnings


def warnings(policy: Policy, now: int) -> tuple[str, ...]:
    """Return what is allowed in a policy and deserves a second look."""
    found: list[str] = []
    for rule in policy.rules:
        name = f"{rule.place}: {rule.section}.{rule.name}"
        if rule.section is Section.EXPECT and rule.selector.selects_all:
            found.append(f"{name}: expects every start")
        elif rule.section is Section.EXPECT and rule.selector.rests_on_names:
            found.append(
                f"{name}: rests only on names that the starter of a container chooses;"
                " add login, account, unit, namespace or trigger"
            )
        if isinstance(rule, Suppression):
            if rule.until <= now:
                found.append(f"{name}: ended and has no effect")
            elif rule.until - now < SOON:
                found.append(f"{name}: ends in {(rule.until - now) // NS_PER_DAY} days")
    return tuple(found)

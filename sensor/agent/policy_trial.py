"""A policy against what was seen: its verdicts, its rules one by one, and a first suggestion.

Works on documents of the log, on any machine: nothing here asks the agent.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensor.judge.case import facts_of
from sensor.judge.change_text import change_of_row
from sensor.judge.glob import Glob
from sensor.judge.judge import Judge
from sensor.judge.policy import Approval, Policy, Rule, Section, Suppression
from sensor.judge.privilege import WEAK
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
"""Groups that a trial tells apart; what is beyond is counted together."""
OTHERS = "others"
NS_PER_DAY = 86_400_000_000_000
SOON = 14 * NS_PER_DAY
"""Nanoseconds before the end of a suppression in which a check warns of it."""


@dataclass(slots=True)
class Group:
    """Starts with one verdict for one reason."""

    expected: bool | None
    because: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Trial:
    """Judges starts out of the log by a policy; nothing is changed by it."""

    def __init__(self, policy: Policy, changes: Iterable[Document] = ()) -> None:
        """``changes`` are documents of ``GET /v1/changes``."""
        self._judge = Judge(policy, keeping=False)
        for document in changes:
            self._add(document)
        self._groups: dict[tuple[bool | None, str], Group] = {}
        self.starts = 0

    def _add(self, document: Document) -> None:
        row = dict(document)
        for key in ("not_before", "not_after", "added"):
            row[key] = wall_of(row.get(key)) or 0
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
        judged = self._judge.judge(event)
        sandbox = event.container is not None and event.container.sandbox
        if judged.type is not EventType.START or judged.verdict is None or sandbox:
            return
        self.starts += 1
        self._count(event, judged.verdict)

    def _count(self, event: Event, verdict: Verdict) -> None:
        key = verdict.expected, _because(verdict)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= GROUPS_MAX:
                key = verdict.expected, OTHERS
            group = self._groups.setdefault(key, Group(*key))
        group.count += 1
        if len(group.examples) < EXAMPLES_MAX:
            group.examples.append(_example(event, verdict))

    def groups(self) -> tuple[Group, ...]:
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
class Answer:
    """What a rule says of a start."""

    rule: Rule
    applies: bool
    why: tuple[str, ...]


def answers(policy: Policy, document: Document) -> tuple[Answer, ...] | None:
    """Return what each rule says of a start; None for a document that is not a start."""
    event = event_of(document)
    facts = facts_of(event) if event is not None else None
    if facts is None:
        return None
    return tuple(_answer(rule, facts) for rule in policy.rules)


def _answer(rule: Rule, facts: Facts) -> Answer:
    some = rule.section is Section.FORBID
    if not rule.selector.matches(facts, some=some):
        return Answer(rule, applies=False, why=rule.selector.unmet(facts))
    if rule.section is Section.WINDOW:
        no_hours = facts.by_itself and not rule.selector.triggers
        why = (f"trigger {facts.trigger} has no hours",) if no_hours else _in_time(rule, facts)
        return Answer(rule, applies=not no_hours and not rule.in_time(facts.wall), why=why)
    if not rule.in_time(facts.wall):
        return Answer(rule, applies=False, why=_in_time(rule, facts))
    refusal = _refusal(rule, facts)
    return Answer(rule, applies=refusal is None, why=(refusal or "every condition is met",))


def _refusal(rule: Rule, facts: Facts) -> str | None:
    """Return why a rule that selects a start does not apply to it after all."""
    if isinstance(rule, Approval):
        return rule.refusal(facts)
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
                f"{name}: rests only on what whoever starts a container chooses;"
                " add login, account, unit, namespace or trigger"
            )
        if isinstance(rule, Suppression):
            if rule.until <= now:
                found.append(f"{name}: ended and has no effect")
            elif rule.until - now < SOON:
                found.append(f"{name}: ends in {(rule.until - now) // NS_PER_DAY} days")
    return tuple(found)


# --------------------------------------------------------------------------- suggestions


@dataclass(slots=True)
class _Seen:
    starts: int = 0
    images: Counter[str] = field(default_factory=Counter)
    who: Counter[tuple[str, str]] = field(default_factory=Counter)
    atoms: set[str] = field(default_factory=set)


class Suggestion:
    """Collects starts and writes a first policy of them, for a person to edit."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._first: str | None = None
        self._last: str | None = None
        self.starts = 0

    def feed(self, document: Document) -> None:
        """Take an event of the log."""
        event = event_of(document)
        facts = facts_of(event) if event is not None else None
        if event is None or facts is None or facts.workload is None:
            return
        if event.container is not None and event.container.sandbox:
            return
        trigger = str(facts.trigger)
        if trigger in {"restart_policy", "engine_boot"}:
            # The lifecycle explains these from the first start on.
            return
        self.starts += 1
        self._first = self._first or str(document.get("time"))
        self._last = str(document.get("time"))
        seen = self._seen.setdefault(facts.workload.key, _Seen())
        seen.starts += 1
        if facts.image is not None:
            seen.images[facts.image.repository] += 1
        seen.who[_who(facts)] += 1
        seen.atoms |= facts.atoms

    def text(self) -> str:
        """Return the policy as TOML."""
        lines = [
            f"# From {self.starts} starts of {self._first or '-'} to {self._last or '-'}.",
            "# Read each rule before you install it: what an intruder did in this time would be",
            "# expected from now on. Restarts by engines need no rule.",
        ]
        names: Counter[str] = Counter()
        for key, seen in sorted(self._seen.items()):
            lines += _rules(key, seen, names)
        return "\n".join(lines) + "\n"


def _who(facts: Facts) -> tuple[str, str]:
    """Return the key and value of a selector that says who asked; trigger where nobody is known."""
    if facts.by_itself or len(facts.initiators) != 1:
        return "trigger", str(facts.trigger)
    one = facts.initiators[0]
    if one.user is not None and one.user.auid is not None:
        return "login", one.user.auid_name or str(one.user.auid)
    if one.unit is not None:
        return "unit", one.unit
    if one.user is not None and one.user.uid is not None:
        return "account", one.user.name or str(one.user.uid)
    return "trigger", str(facts.trigger)


def _rules(key: str, seen: _Seen, names: Counter[str]) -> list[str]:
    lines: list[str] = []
    by: dict[str, list[str]] = {}
    for (what, value), _ in seen.who.most_common():
        by.setdefault(what, []).append(value)
    who = ", ".join(f"{what} {value} ({count})" for (what, value), count in seen.who.most_common())
    for what, values in by.items():
        name = _rule_name(key, what, several=len(by) > 1)
        names[name] += 1
        if names[name] > 1:
            name = f"{name}-{names[name]}"
        rule = [
            f"[expect.{json.dumps(name)}]",
            f"workload = {_toml([key])}",
            f"{what} = {_toml(values)}",
        ]
        if seen.images:
            rule.append(f"image = {_toml([f'{image}*' for image in seen.images])}")
        if strong := sorted(seen.atoms - WEAK):
            rule += [
                "# These privileges were seen. Allow only what it needs.",
                f"allows = {_toml(strong)}",
            ]
        commented = values == ["unknown"] or not _fits(key, values, seen.images)
        lines += ["", f"# {seen.starts} starts: {who}"[:200].translate(_ONE_LINE)]
        if commented:
            lines.append("# Not proposed: nothing says who asked, or it cannot be written.")
        lines += [f"# {line}" if commented else line for line in rule]
    return lines


def _rule_name(key: str, what: str, *, several: bool) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in key)
    return f"{plain[:48].strip('-') or 'rule'}{f'-{what}' if several else ''}"


def _fits(key: str, values: list[str], images: Iterable[str]) -> bool:
    """Whether the texts can be patterns: a few wildcards are no texts here."""
    try:
        for text in (key, *values, *(f"{image}*" for image in images)):
            Glob.compile(text)
    except ValueError:
        return False
    return True


_ONE_LINE = dict.fromkeys((*range(32), 127, *range(55296, 57344)), "?")


def _toml(values: Iterable[str]) -> str:
    listed = [json.dumps(value.translate(_ONE_LINE)) for value in values]
    return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"

"""A first policy from what was seen, for a person to edit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Any

from sensor.dataclass import dataclass
from sensor.judge.case import facts_of
from sensor.judge.glob import Glob
from sensor.judge.privilege import WEAK
from sensor.schema.start_reader import event_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sensor.judge.case import Facts

    Document = Mapping[str, Any]


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
        self.left_out = 0
        """Starts that were not expected when they happened: no rule is proposed for them."""

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
        verdict = document.get("verdict")
        if isinstance(verdict, dict) and verdict.get("expected") is False:
            self.left_out += 1
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
        period = f" from {_second(self._first)} to {_second(self._last)}" if self._first else ""
        lines = [
            f"# Starts that this rests on: {self.starts}{period}.",
            "# Read each rule before you install it: what an intruder did in this time would",
            "# be expected from now on. Restarts by engines need no rule.",
        ]
        if self.left_out:
            lines += [
                f"# Starts that were not expected when they happened: {self.left_out}. They have",
                "# no rule here: see castoff events --filter expected=false.",
            ]
        names: Counter[str] = Counter()
        for key, seen in sorted(self._seen.items()):
            lines += _rules(key, seen, names)
        return "\n".join(lines) + "\n"


def _second(time: str | None) -> str:
    """Return an RFC 3339 time without its fraction."""
    return "-" if time is None else f"{time[:19]}Z"


def _who(facts: Facts) -> tuple[str, str]:
    """Return a selector's key and value for the initiator; the trigger where it is unknown."""
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
        starts = "1 start" if seen.starts == 1 else f"{seen.starts} starts"
        lines += ["", f"# {starts}: {who}"[:200].translate(_ONE_LINE)]
        if commented:
            lines.append("# Not proposed: the initiator is unknown, or a name cannot be a pattern.")
        lines += [f"# {line}" if commented else line for line in rule]
    return lines


def _rule_name(key: str, what: str, *, several: bool) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in key)
    return f"{plain[:48].strip('-') or 'rule'}{f'-{what}' if several else ''}"


def _fits(key: str, values: list[str], images: Iterable[str]) -> bool:
    """Whether each text can be a pattern: a name may hold a wildcard of another kind."""
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

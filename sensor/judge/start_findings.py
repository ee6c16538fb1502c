"""What is found about a start before its verdict: strong findings, and what rules of a policy say.

A finding that the policy suppresses, or has switched off, becomes a remark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.finding import FINDERS, Found
from sensor.judge.lesson import TermKey
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.judge.judgement import Case
    from sensor.judge.policy import Rule


def look(case: Case) -> None:
    """Collect the findings that are not suppressed."""
    facts, policy, tuning = case.facts, case.policy, case.policy.tuning
    for finder in FINDERS:
        found = finder(facts, tuning)
        if found is not None:
            _note_strong(case, found)
    by_rules: list[Found] = []
    if policy.forbid.rules:
        by_rules += _forbidding(case)
    if policy.windows.rules:
        by_rules += _outside_windows(case)
    if policy.approve.rules:
        by_rules += _unapproved(case)
    for one in by_rules:
        note(case, one)


def _note_strong(case: Case, found: Found) -> None:
    if found.finding is Finding.DIRECT_RUNTIME:
        if case.knows_direct:
            case.remarks.append("a runtime without an engine, as known of who starts it")
            return
        found = _direct(case, found)
    note(case, found)


def note(case: Case, found: Found) -> None:
    """Take a finding, unless it is suppressed."""
    rule = suppressing(case, found.finding)
    if rule is None:
        case.found.append(found)
    else:
        case.remarks.append(rule)


def _direct(case: Case, found: Found) -> Found:
    """Name who ran it: once that is acknowledged, it is known of this initiator."""
    whos = case.assessment.features.whos if case.assessment is not None else ()
    if len(whos) != 1:
        return found
    who = whos[0].value
    return replace(found, value=who, terms=(TermKey(None, Feature.DIRECT, who),))


def _forbidding(case: Case) -> Iterator[Found]:
    for rule in case.policy.forbid.matching(case.facts, some=True):
        if holds(case, rule):
            reason = f"policy rule {rule.name} ({rule.place}) forbids it"
            yield Found(Finding.FORBIDDEN, reason, value=about(case, rule.name))


def _outside_windows(case: Case) -> Iterator[Found]:
    for rule in case.policy.windows.matching(case.facts):
        # Crashes and reschedulings have no office hours, unless the rule means them by name.
        if case.facts.by_itself and not rule.selector.triggers:
            continue
        if case.unsettled is not None:
            case.remarks.append(f"window {rule.windows[0]}: unknown, {case.unsettled}")
        elif not rule.in_time(case.facts.wall):
            expected = " or ".join(map(str, rule.windows))
            yield Found(
                Finding.OUTSIDE_WINDOW,
                f"time: expected within {expected}, seen outside",
                value=about(case, rule.name),
            )


def _unapproved(case: Case) -> Iterator[Found]:
    refusals: dict[Finding, list[str]] = {}
    for rule in case.policy.approve.matching(case.facts):
        if not holds(case, rule):
            continue
        finding, refusal = Finding.UNAPPROVED_IMAGE, rule.refusal(case.facts)
        if refusal is None:
            finding, refusal = Finding.UNPINNED_IMAGE, rule.unpinned(case.facts)
        if refusal is None:
            return
        refusals.setdefault(finding, []).append(f"{refusal} (policy rule {rule.name})")
    for finding, reasons in refusals.items():
        image = case.facts.image
        value = image.repository if image is not None else ""
        yield Found(finding, "; ".join(reasons), value=value)


def about(case: Case, name: str) -> str:
    """Return what names a group of alerts of a rule: the rule and the workload."""
    workload = case.facts.workload
    return f"{name} {workload.key if workload is not None else ''}"


def suppressing(case: Case, finding: Finding) -> str | None:
    """Return why a finding is not to be raised; None where it is."""
    if finding in case.policy.tuning.off:
        return f"finding {finding} is switched off by the policy"
    if not case.policy.suppress.rules:
        return None
    for rule in case.policy.suppress.matching(case.facts):
        meant = rule.finding is finding and rule.selector.is_meant(case.facts)
        if meant and case.facts.wall < rule.until and holds(case, rule):
            return f"finding {finding} suppressed by policy rule {rule.name}: {rule.reason}"
    return None


def holds(case: Case, rule: Rule) -> bool:
    """Whether a rule holds at this time; what a window means is unknown on an unsettled clock."""
    if not rule.windows:
        return True
    if case.unsettled is not None:
        case.remarks.append(f"policy rule {rule.name}: its window is unknown, {case.unsettled}")
        return False
    return rule.in_time(case.facts.wall)

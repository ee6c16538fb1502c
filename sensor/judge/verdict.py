"""From the facts of a start to its verdict: the steps in their order, each a function.

A step returns a decision or None, and the first that decides ends the walk. What every step looked
at and could not use stays in the reasons of a start that nothing explains.

1. ``forbidden``            a rule of the policy forbids it                          false
2. ``strong_finding``       a finding that nothing explains away                     false
3. ``approved_change``      a change covers it and allows its privileges             true
4. ``limited``              outside its window, or an image that is not approved     false
5. ``expected_by_policy``   a rule of the policy expects it                          true
6. ``lifecycle``            an engine or orchestrator carries on what was explained  true
7. ``baseline``             everything is known from the past                        true
                            one strong novelty, or two weak ones                     false
8. ``unexplained``          no explanation on file                                   null
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sensor.judge.baseline import TermKey
from sensor.judge.feature import Feature
from sensor.judge.finding import FINDERS, Found
from sensor.judge.findings.kind import Rank
from sensor.judge.findings.registry import KINDS
from sensor.judge.named_findings import named
from sensor.model.events import Verdict
from sensor.model.vocabulary import Explanation, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.judge.assessment import Assessment
    from sensor.judge.case import Facts
    from sensor.judge.change import Change
    from sensor.judge.lifecycle import Continuation
    from sensor.judge.policy import Policy, Rule

NEW_INSTANCES = frozenset({Explanation.ROLLOUT, Explanation.SCALING, Explanation.RESCHEDULE})
"""What a kubelet starts as a new container, of a pod that it may see for the first time."""
LIMITS = frozenset({Finding.OUTSIDE_WINDOW, Finding.UNAPPROVED_IMAGE, Finding.UNPINNED_IMAGE})
"""Findings that an approved change explains away and a rule that expects does not."""
REASONS_MAX = 8
"""Sentences of one verdict."""
REASON_MAX = 400
"""Characters of one sentence; what a start's maker chose must not fill events."""


@dataclass(slots=True)
class Case:
    """A start before its judge."""

    facts: Facts
    policy: Policy
    changes: tuple[Change, ...]
    """That go on and select it."""
    continuation: Continuation | None
    """What it carries on, if an engine or orchestrator started it by itself."""
    unsettled: str | None = None
    """Why the wall clock cannot be trusted, as a sentence; None where it can."""
    remarks: list[str] = field(default_factory=list)
    """What steps looked at and could not use."""
    found: list[Found] = field(default_factory=list)
    assessment: Assessment | None = None
    """What is new about it; None where it carries on the same container."""
    knows_direct: bool = False
    """Whether who starts it is known to run a runtime without an engine."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step decided. ``basis`` is what later starts may inherit."""

    expected: bool | None
    reasons: tuple[str, ...]
    explanation: Explanation | None = None
    basis: str | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and what has to be remembered of it."""

    verdict: Verdict
    decision: Decision
    found: tuple[Found, ...] = ()


# --------------------------------------------------------------------------- findings


def look(case: Case) -> None:
    """Collect the findings that are not suppressed."""
    for found in _findings(case):
        rule = _suppressing(case, found.finding)
        if rule is None:
            case.found.append(found)
        else:
            case.remarks.append(rule)


def _findings(case: Case) -> Iterator[Found]:
    for finder in FINDERS:
        found = finder(case.facts)
        if found is None:
            continue
        if found.finding is Finding.DIRECT_RUNTIME:
            if case.knows_direct:
                case.remarks.append("a runtime without an engine, as known of who starts it")
                continue
            found = _direct(case, found)
        yield found
    yield from _forbidding(case)
    yield from _outside_windows(case)
    yield from _unapproved(case)


def _direct(case: Case, found: Found) -> Found:
    """Name who ran it: once that is acknowledged, it is known of this initiator."""
    whos = case.assessment.features.whos if case.assessment is not None else ()
    if len(whos) != 1:
        return found
    who = whos[0].value
    return replace(found, value=who, terms=(TermKey(None, Feature.DIRECT, who),))


def _forbidding(case: Case) -> Iterator[Found]:
    if not case.policy.forbid:
        return
    for rule in case.policy.forbid.matching(case.facts, some=True):
        if _holds(case, rule):
            reason = f"policy rule {rule.name} ({rule.place}) forbids it"
            yield Found(Finding.FORBIDDEN, reason, value=_about(case, rule.name))


def _outside_windows(case: Case) -> Iterator[Found]:
    if not case.policy.windows:
        return
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
                value=_about(case, rule.name),
            )


def _unapproved(case: Case) -> Iterator[Found]:
    if not case.policy.approve:
        return
    refusals: dict[Finding, list[str]] = {}
    for rule in case.policy.approve.matching(case.facts):
        if not _holds(case, rule):
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


def _about(case: Case, name: str) -> str:
    workload = case.facts.workload
    return f"{name} {workload.key if workload is not None else ''}"


def _suppressing(case: Case, finding: Finding) -> str | None:
    if not case.policy.suppress:
        return None
    for rule in case.policy.suppress.matching(case.facts):
        if rule.finding is finding and case.facts.wall < rule.until and _holds(case, rule):
            return f"finding {finding} suppressed by policy rule {rule.name}: {rule.reason}"
    return None


def _holds(case: Case, rule: Rule) -> bool:
    """Whether a rule holds at this time; what a window means is unknown on an unsettled clock."""
    if not rule.windows:
        return True
    if case.unsettled is not None:
        case.remarks.append(f"policy rule {rule.name}: its window is unknown, {case.unsettled}")
        return False
    return rule.in_time(case.facts.wall)


# --------------------------------------------------------------------------- steps


def forbidden(case: Case) -> Decision | None:
    """A rule of the policy forbids it."""
    return _against(case, lambda found: found.finding is Finding.FORBIDDEN)


def strong_finding(case: Case) -> Decision | None:
    """A finding that neither a change nor a rule that expects explains away."""
    return _against(case, lambda found: KINDS[found.finding].rank is Rank.STRONG)


def approved_change(case: Case) -> Decision | None:
    """Changes cover it; each that allows its privileges is named."""
    covering: list[Change] = []
    for change in case.changes:
        if case.unsettled is not None:
            case.remarks.append(f"change {change.id}: its time is unknown, {case.unsettled}")
        elif lacking := change.lacking(case.facts.atoms):
            case.remarks.append(f"change {change.id} covers it but does not allow {_list(lacking)}")
        else:
            covering.append(change)
    if not covering:
        return None
    for change in covering:
        if change.wide is not None:
            reason = f"change {change.id} is wide: {change.wide}"
            case.found.append(Found(Finding.WIDE_CHANGE, reason, value=change.id))
        if _added_by_initiator(case.facts, change):
            reason = f"change {change.id} was added by the login that starts"
            case.found.append(Found(Finding.WIDE_CHANGE, reason, value=change.id))
    return Decision(
        expected=True,
        reasons=tuple(f"change {one.id} covers it, approved by {one.by}" for one in covering),
        explanation=Explanation.CHANGE,
        basis=f"change {','.join(one.id for one in covering)}",
        changes=tuple(covering),
    )


def limited(case: Case) -> Decision | None:
    """It is outside of its window, or its image is not approved."""
    return _against(case, lambda found: found.finding in LIMITS)


def expected_by_policy(case: Case) -> Decision | None:
    """A rule of the policy expects it and allows its privileges."""
    if not case.policy.expect:
        return None
    for rule in case.policy.expect.matching(case.facts):
        if lacking := rule.lacking(case.facts.atoms):
            remark = f"policy rule {rule.name} matches but does not allow {_list(lacking)}"
            case.remarks.append(remark)
        elif _holds(case, rule):
            return Decision(
                expected=True,
                reasons=(f"policy rule {rule.name} ({rule.place}) expects it",),
                explanation=Explanation.POLICY,
                basis=f"policy rule {rule.name}",
            )
        elif case.unsettled is None:
            windows = " or ".join(map(str, rule.windows))
            case.remarks.append(f"policy rule {rule.name} matches, but only within {windows}")
    return None


def lifecycle(case: Case) -> Decision | None:
    """An engine or an orchestrator carries on what was explained before."""
    carried = case.continuation
    if carried is None or not carried.inherits:
        return None
    past = case.assessment
    if carried.explanation in NEW_INSTANCES and past is not None and past.alerts:
        # A new pod may be another one than its owner's name says.
        case.remarks.append(f"{carried.sentence}; it differs from the past")
        return None
    return Decision(
        expected=True,
        reasons=(carried.sentence,),
        explanation=carried.explanation,
        basis=carried.basis,
    )


def baseline(case: Case) -> Decision | None:
    """It is like earlier starts, or too much of it is not."""
    past = case.assessment
    if past is None:
        return None
    if past.alerts:
        found = [one for one in named(past) if not _is_suppressed(case, one.finding)]
        if not found:
            return None
        case.found += found
        reasons = tuple(one.fact.sentence for one in past.novelties)
        return Decision(expected=False, reasons=reasons)
    if past.known:
        return Decision(
            expected=True,
            reasons=(past.sentence,),
            explanation=Explanation.BASELINE,
            basis="the baseline",
        )
    case.remarks += [f"new: {one.fact.sentence}" for one in past.novelties]
    return None


def _is_suppressed(case: Case, finding: Finding) -> bool:
    rule = _suppressing(case, finding)
    if rule is not None:
        case.remarks.append(rule)
    return rule is not None


def unexplained(case: Case) -> Decision:
    """No explanation is on file."""
    carried = case.continuation
    reasons = ["no explanation on file"] if carried is None else [carried.sentence]
    if case.policy.require and not (carried is not None and carried.reported):
        for rule in case.policy.require.matching(case.facts):
            reason = f"policy rule {rule.name} ({rule.place}) requires an explanation"
            if _suppressing(case, Finding.NO_EXPLANATION) is None:
                value = _about(case, rule.name)
                case.found.append(Found(Finding.NO_EXPLANATION, reason, value=value))
            break
    return Decision(expected=None, reasons=tuple(reasons))


ORDER: tuple[Callable[[Case], Decision | None], ...] = (
    forbidden,
    strong_finding,
    approved_change,
    limited,
    expected_by_policy,
    lifecycle,
    baseline,
    unexplained,
)


def decide(case: Case) -> Judgement:
    """Walk the steps and return the verdict."""
    look(case)
    decision = next(made for step in ORDER if (made := step(case)) is not None)
    findings: tuple[Finding, ...] = ()
    reasons = decision.reasons
    if case.found or case.remarks:
        findings = tuple(dict.fromkeys([one.finding for one in case.found]))
        found = [one.reason for one in case.found]
        reasons = tuple(dict.fromkeys((*reasons, *found, *case.remarks)))
    workload = case.facts.workload
    verdict = Verdict(
        expected=decision.expected,
        reasons=tuple([_cut(reason) for reason in reasons[:REASONS_MAX]]),
        change=",".join([change.id for change in decision.changes]) or None,
        attack=tuple(dict.fromkeys([id_ for one in findings for id_ in KINDS[one].techniques])),
        explanation=decision.explanation,
        findings=findings,
        workload=workload.key if workload is not None else None,
        level=case.assessment.level if case.assessment is not None else None,
        baseline=case.assessment.phase if case.assessment is not None else None,
    )
    return Judgement(verdict, decision, tuple(case.found))


def _against(case: Case, counts: Callable[[Found], bool]) -> Decision | None:
    reasons = tuple(found.reason for found in case.found if counts(found))
    return Decision(expected=False, reasons=reasons) if reasons else None


def _added_by_initiator(facts: Facts, change: Change) -> bool:
    users = [one.user for one in facts.initiators if one.user is not None]
    if change.added_by is None:
        return False
    return any(change.added_by in (user.auid_name, str(user.auid)) for user in users)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:REASONS_MAX])


def _cut(text: str) -> str:
    return text if len(text) <= REASON_MAX else f"{text[: REASON_MAX - 1]}…"

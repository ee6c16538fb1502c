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

from dataclasses import replace
from typing import TYPE_CHECKING

from sensor.frozen import maker
from sensor.judge.finding import Found
from sensor.judge.findings.kind import Rank
from sensor.judge.findings.registry import KINDS
from sensor.judge.findings.wide_change import HOURS as WIDE_HOURS
from sensor.judge.judgement import Case, Decision, Judgement
from sensor.judge.named_findings import named
from sensor.judge.start_findings import about, holds, look, note, suppressing
from sensor.model.events import Verdict
from sensor.model.vocabulary import Explanation, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.judge.case import Facts
    from sensor.judge.change import Change

NEW_INSTANCES = frozenset({Explanation.ROLLOUT, Explanation.SCALING, Explanation.RESCHEDULE})
"""What a kubelet starts as a new container, of a pod that it may see for the first time."""
LIMITS = frozenset({Finding.OUTSIDE_WINDOW, Finding.UNAPPROVED_IMAGE, Finding.UNPINNED_IMAGE})
"""Findings that an approved change explains away and a rule that expects does not."""
CHANGES_MAX = 8
"""Changes that one start uses and names; further ones that cover it are not touched."""
REASONS_MAX = 8
"""Sentences of one verdict."""
REASON_MAX = 400
"""Characters of one sentence; what a start's maker chose must not fill events."""
_decision, _verdict, _judgement = maker(Decision), maker(Verdict), maker(Judgement)


# --------------------------------------------------------------------------- steps


def forbidden(case: Case) -> Decision | None:
    """A rule of the policy forbids it."""
    return _against(case, lambda found: found.finding is Finding.FORBIDDEN)


def strong_finding(case: Case) -> Decision | None:
    """A finding that neither a change nor a rule that expects explains away."""
    return _against(case, lambda found: KINDS[found.finding].rank is Rank.STRONG)


def approved_change(case: Case) -> Decision | None:
    """Changes cover it; each that allows its privileges is named."""
    if not case.changes:
        return None
    covering: list[Change] = []
    for change in case.changes:
        if case.unsettled is not None:
            case.remarks.append(f"change {change.id}: its time is unknown, {case.unsettled}")
        elif lacking := change.lacking(case.atoms_for(change.selector)):
            case.remarks.append(f"change {change.id} covers it but does not allow {_list(lacking)}")
        elif len(covering) < CHANGES_MAX:
            covering.append(change)
    if not covering:
        return None
    for change in covering:
        if (wide := change.wide(case.policy.tuning.number(WIDE_HOURS))) is not None:
            reason = f"change {change.id} is wide: {wide}"
            note(case, Found(Finding.WIDE_CHANGE, reason, value=change.id))
        if added_by_initiator(case.facts, change):
            reason = f"change {change.id} was added by the login that starts"
            note(case, Found(Finding.WIDE_CHANGE, reason, value=change.id))
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
    if not case.policy.expect.rules:
        return None
    for rule in case.policy.expect.matching(case.facts):
        if not rule.selector.is_meant(case.facts):
            case.remarks.append(f"policy rule {rule.name} matches, but it is of {case.facts.owner}")
        elif lacking := rule.lacking(case.atoms_for(rule.selector)):
            remark = f"policy rule {rule.name} matches but does not allow {_list(lacking)}"
            case.remarks.append(remark)
        elif holds(case, rule):
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
    return _decision(
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
    if past.known and case.no_initiator is not None:
        case.remarks.append(case.no_initiator)
        return None
    if past.known:
        return _decision(
            expected=True,
            reasons=(past.sentence,),
            explanation=Explanation.BASELINE,
            basis="the baseline",
        )
    case.remarks += [f"new: {one.fact.sentence}" for one in past.novelties]
    return None


def _is_suppressed(case: Case, finding: Finding) -> bool:
    rule = suppressing(case, finding)
    if rule is not None:
        case.remarks.append(rule)
    return rule is not None


def unexplained(case: Case) -> Decision:
    """No explanation is on file."""
    carried = case.continuation
    reasons = ["no explanation on file"] if carried is None else [carried.sentence]
    if case.policy.require.rules and not (carried is not None and carried.reported):
        for rule in case.policy.require.matching(case.facts):
            reason = f"policy rule {rule.name} ({rule.place}) requires an explanation"
            if suppressing(case, Finding.NO_EXPLANATION) is None:
                value = about(case, rule.name)
                case.found.append(Found(Finding.NO_EXPLANATION, reason, value=value))
            break
    return _decision(expected=None, reasons=tuple(reasons))


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
NOTHING_FOUND = tuple(one for one in ORDER if one not in {forbidden, strong_finding, limited})
"""The steps of most starts: the others ask what was found."""


def decide(case: Case) -> Judgement:
    """Walk the steps and return the verdict."""
    look(case)
    decision = unexplained(case) if (made := _first(case)) is None else made
    if case.claim is not None:
        case.remarks.append(case.claim.sentence(decision.changes))
    findings: tuple[Finding, ...] = ()
    techniques: tuple[str, ...] = ()
    reasons = decision.reasons
    if case.found or case.remarks:
        findings = tuple(dict.fromkeys([one.finding for one in case.found]))
        techniques = tuple(
            dict.fromkeys([id_ for one in findings for id_ in KINDS[one].techniques])
        )
        found = [one.reason for one in case.found]
        reasons = tuple(dict.fromkeys((*reasons, *found, *case.remarks)))
    workload, past = case.facts.workload, case.assessment
    verdict = _verdict(
        decision.expected,
        tuple([_cut(reason) for reason in reasons[:REASONS_MAX]]),
        ",".join([one.id for one in decision.changes]) if decision.changes else None,
        techniques,
        decision.explanation,
        findings,
        workload.key if workload is not None else None,
        past.level if past is not None else None,
        past.phase if past is not None else None,
    )
    alerting = tuple(case.found)
    if decision.changes:
        # The verdict names them, and no alert follows: the change was approved for that.
        alerting = tuple([one for one in alerting if one.finding not in LIMITS])
    beside = _beside(case) if case.found and not decision.expected else ()
    return _judgement(verdict, decision, alerting, beside)


def _beside(case: Case) -> tuple[Found, ...]:
    """Return what would be found of a start without the findings that decided it.

    A person may have silenced their alert, which says nothing about what else is new.
    """
    past = case.assessment
    if past is None or not past.alerts or not all(_decides(one) for one in case.found):
        return ()
    rest = replace(case, found=[], remarks=[])
    for step in (approved_change, expected_by_policy, lifecycle):
        if step(rest) is not None:
            return ()
    baseline(rest)
    return tuple(rest.found)


def _decides(found: Found) -> bool:
    return found.finding is Finding.FORBIDDEN or KINDS[found.finding].rank is Rank.STRONG


def _first(case: Case) -> Decision | None:
    # A loop: this is asked of every start, and a generator costs as much as two steps.
    for step in ORDER if case.found else NOTHING_FOUND:
        made = step(case)
        if made is not None:
            return made
    return None


def _against(case: Case, counts: Callable[[Found], bool]) -> Decision | None:
    if not case.found:
        return None
    reasons = tuple(found.reason for found in case.found if counts(found))
    return Decision(expected=False, reasons=reasons) if reasons else None


def added_by_initiator(facts: Facts, change: Change) -> bool:
    """Whether the login that starts added the change."""
    users = [one.user for one in facts.initiators if one.user is not None]
    if change.added_by is None:
        return False
    return any(change.added_by in (user.auid_name, str(user.auid)) for user in users)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:REASONS_MAX])


def _cut(text: str) -> str:
    return text if len(text) <= REASON_MAX else f"{text[: REASON_MAX - 1]}…"

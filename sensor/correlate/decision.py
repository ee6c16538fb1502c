"""From the processes that remain to an answer: one is the initiator, several are candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.correlate.clients import AUDIT_EARLY, SAME_PROCESS
from sensor.correlate.question import Attribution
from sensor.model.events import Evidence
from sensor.model.vocabulary import Confidence, EvidenceKind, Trigger, Witness

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensor.correlate.candidates import Candidate
    from sensor.correlate.question import Knowledge, Question


CANDIDATES_MAX = 16
"""Candidates listed in an event."""


def decided(
    question: Question, known: Knowledge, candidates: list[Candidate], certainty: Confidence
) -> Attribution:
    """Make an answer of those who remain: one is it, several are candidates."""
    del known
    distinct = distinct_processes(candidates)
    if len(distinct) == 1:
        one = distinct[0]
        if one.client is not None and not (
            one.client.certain and certainty is not Confidence.EXACT
        ):
            one.client.made = question.id
            one.client.certain = certainty is Confidence.EXACT
        if one.relay and certainty is Confidence.EXACT:
            certainty = Confidence.INFERRED
        sure = certainty is Confidence.EXACT
        return Attribution(
            one.trigger,
            one.trigger_certainty if sure else certainty,
            initiator=one.initiator,
            confidence=certainty,
            evidence=one.evidence,
            command=one.client.command if one.client is not None else None,
        )
    triggers = {one.trigger for one in distinct}
    agreed = len(triggers) == 1
    return Attribution(
        triggers.pop() if agreed else Trigger.UNKNOWN,
        Confidence.INFERRED if agreed else Confidence.AMBIGUOUS,
        confidence=Confidence.AMBIGUOUS,
        candidates=tuple(one.initiator for one in distinct[:CANDIDATES_MAX]),
        evidence=tuple(e for one in distinct[:CANDIDATES_MAX] for e in one.evidence[:1]),
    )


def incomplete(question: Question, candidates: list[Candidate]) -> Attribution:
    """Name candidates; the rate limit may have hidden others."""
    what = "commands were held back: there may be others"
    lost = Evidence(Witness.KERNEL, EvidenceKind.LOSS, what, question.time)
    return Attribution(
        confidence=Confidence.AMBIGUOUS if candidates else Confidence.NONE,
        candidates=tuple(one.initiator for one in candidates[:CANDIDATES_MAX]),
        evidence=(*(e for one in candidates[:CANDIDATES_MAX] for e in one.evidence[:1]), lost),
    )


def distinct_processes(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Keep one candidate a process, joining what the others saw of the same."""
    found: dict[tuple[int, int | None], Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.key[1] is None):
        key = _key_among(one, found)
        known = found.get(key)
        found[key] = one if known is None else known.joined(one)
    return list(found.values())


def _key_among(
    one: Candidate, found: dict[tuple[int, int | None], Candidate]
) -> tuple[int, int | None]:
    """Find the process that a witness without start times means: of that pid, then alive."""
    pid, start = one.key
    if start is not None or not one.evidence:
        return one.key
    time = one.evidence[0].time
    for (other, began), known in found.items():
        if other != pid or began is None or not known.evidence:
            continue
        apart = abs(time - known.evidence[0].time)
        if began <= time + AUDIT_EARLY and apart <= SAME_PROCESS:
            return other, began
    return one.key

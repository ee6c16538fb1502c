"""Which findings an assessment amounts to: strong facts by their own, weak ones together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.judge.feature import Feature
from sensor.judge.finding import Found
from sensor.model.vocabulary import Finding

if TYPE_CHECKING:
    from sensor.judge.assessment import Assessment

NAMED_WEAK = frozenset({Finding.NEW_CONTAINER_IN_POD, Finding.LOCAL_IMAGE, Finding.NEW_PRIVILEGE})
"""Findings that name a combination of weak facts."""


def named(past: Assessment) -> tuple[Found, ...]:
    """Return what an assessment found, by the findings that its facts stand for."""
    strong = [one for one in past.novelties if one.strong]
    found = [
        Found(one.finding, one.fact.sentence, one.value, one.terms, one.fact)
        for one in strong
        if one.finding is not None
    ]
    if found:
        return tuple(found)
    weak = past.novelties
    name = next((one.finding for one in weak if one.finding in NAMED_WEAK), None)
    value = next((one.value for one in weak if one.finding is name), "") if name else ""
    return (
        Found(
            name or Finding.UNUSUAL_COMBINATION,
            weak[0].fact.sentence,
            value or _combined(past),
            tuple(term for one in weak for term in one.terms),
            weak[0].fact,
        ),
    )


def _combined(past: Assessment) -> str:
    """Return what names a combination: its features, and what they were seen of.

    A new workload is named by who starts it: a script that starts a hundred is one alert.
    """
    names = ", ".join(sorted({one.fact.feature for one in past.novelties}))
    new = any(one.fact.feature == Feature.WORKLOAD for one in past.novelties)
    whos = " or ".join(who.value for who in past.features.whos)
    return f"{names} of {whos if new else past.features.workload}"

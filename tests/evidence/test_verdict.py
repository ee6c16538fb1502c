"""Findings are bounded, and a break that the node explained is not one of the others."""

from __future__ import annotations

from sensor.evidence.verdict import FINDINGS_MAX, Finding, Findings, Verdict


def test_findings_are_bounded_and_counted() -> None:
    findings = Findings()
    for _ in range(FINDINGS_MAX + 5):
        findings.add(Finding("here", "wrong"))
    findings.add(Finding("here", "a break", explained="it was written down"))
    assert len(findings.listed) == FINDINGS_MAX
    assert (findings.count, findings.unexplained) == (FINDINGS_MAX + 6, FINDINGS_MAX + 5)


def test_a_break_that_the_node_explained_is_sound() -> None:
    findings = Findings()
    findings.add(Finding("here", "a break", explained="lost with a damaged file"))
    assert Verdict(None, (), 0, 0, findings).is_sound
    findings.add(Finding("here", "changed"))
    assert not Verdict(None, (), 0, 0, findings).is_sound

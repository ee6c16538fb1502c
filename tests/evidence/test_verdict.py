"""Findings are bounded, and a break that the node explained is not one of the others."""

from __future__ import annotations

from sensor.evidence.verdict import FINDINGS_MAX, Discrepancy, Findings, Verification


def test_findings_are_bounded_and_counted() -> None:
    findings = Findings()
    for _ in range(FINDINGS_MAX + 5):
        findings.add(Discrepancy("here", "wrong"))
    findings.add(Discrepancy("here", "a break", explained="it was written down"))
    assert len(findings.listed) == FINDINGS_MAX
    assert (findings.count, findings.unexplained) == (FINDINGS_MAX + 6, FINDINGS_MAX + 5)


def test_a_break_that_the_node_explained_is_sound() -> None:
    findings = Findings()
    findings.add(Discrepancy("here", "a break", explained="lost with a damaged file"))
    assert Verification(None, (), 0, 0, findings).is_sound
    findings.add(Discrepancy("here", "changed"))
    assert not Verification(None, (), 0, 0, findings).is_sound

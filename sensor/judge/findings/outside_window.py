"""``outside-window``: start outside of its window."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.OUTSIDE_WINDOW,
    title="Start outside of its window",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.POLICY,
)

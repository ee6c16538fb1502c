"""``failed-starts``: container whose start fails again and again."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.FAILED_STARTS,
    title="Container whose start fails again and again",
    severity=AlertSeverity.LOW,
    techniques=("T1499",),
    rank=Rank.OPERATIONAL,
)

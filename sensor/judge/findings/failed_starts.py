"""``failed-starts``: container whose start fails again and again."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

STARTS = Number("starts", 5, 2, 1000, "failed starts within the window")
MINUTES = Number("minutes", 10, 1, 240, "minutes of the window")

KIND = FindingKind(
    finding=Finding.FAILED_STARTS,
    title="Container whose start fails again and again",
    severity=AlertSeverity.LOW,
    techniques=("T1499",),
    rank=Rank.OPERATIONAL,
    tunables=(STARTS, MINUTES),
)

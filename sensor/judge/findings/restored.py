"""``restored``: start from a checkpoint."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.RESTORED,
    title="Start from a checkpoint",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
)

"""``late-container``: container that joined a running pod."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.LATE_CONTAINER,
    title="Container that joined a running pod",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1204.003", "T1609"),
    rank=Rank.BASELINE,
)

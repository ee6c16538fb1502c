"""``engine-namespace``: container put into another engine's namespace."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.ENGINE_NAMESPACE,
    title="Container put into another engine's namespace",
    severity=AlertSeverity.HIGH,
    techniques=("T1610", "T1036"),
    rank=Rank.STRONG,
)

"""``new-privilege``: privilege that this workload never had."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.NEW_PRIVILEGE,
    title="Privilege that this workload never had",
    severity=AlertSeverity.HIGH,
    techniques=("T1611", "T1610"),
    rank=Rank.BASELINE,
)

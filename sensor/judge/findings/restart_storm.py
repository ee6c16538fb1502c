"""``restart-storm``: many workloads restart at once."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.RESTART_STORM,
    title="Many workloads restart at once",
    severity=AlertSeverity.LOW,
    techniques=("T1499",),
    rank=Rank.OPERATIONAL,
)

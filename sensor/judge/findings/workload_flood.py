"""``workload-flood``: more new workloads than are remembered."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.WORKLOAD_FLOOD,
    title="More new workloads than are remembered",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1496.001",),
    rank=Rank.BASELINE,
)

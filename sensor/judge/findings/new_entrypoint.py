"""``new-entrypoint``: shell where this workload never ran one."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.NEW_ENTRYPOINT,
    title="Shell where this workload never ran one",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1204.003", "T1609"),
    rank=Rank.BASELINE,
)

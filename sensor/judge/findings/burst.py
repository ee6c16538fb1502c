"""``burst``: many first starts by one initiator."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.BURST,
    title="Many first starts by one initiator",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1496.001",),
    rank=Rank.BASELINE,
    tunables=("burst_starts",),
)

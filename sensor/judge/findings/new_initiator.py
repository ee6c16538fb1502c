"""``new-initiator``: account, unit or container that never started a container here."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.NEW_INITIATOR,
    title="Account, unit or container that never started a container here",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1059.013",),
    rank=Rank.BASELINE,
)

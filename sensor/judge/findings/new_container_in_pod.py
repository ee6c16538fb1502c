"""``new-container-in-pod``: container that this pod never had."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.NEW_CONTAINER_IN_POD,
    title="Container that this pod never had",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1204.003", "T1609"),
    rank=Rank.BASELINE,
)

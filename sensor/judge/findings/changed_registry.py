"""``changed-registry``: known image name from another registry."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.CHANGED_REGISTRY,
    title="Known image name from another registry",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1525", "T1036.005"),
    rank=Rank.BASELINE,
)

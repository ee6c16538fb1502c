"""``local-image``: image that was built here, on a node that never ran one."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.LOCAL_IMAGE,
    title="Image that was built here, on a node that never ran one",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1612",),
    rank=Rank.BASELINE,
)

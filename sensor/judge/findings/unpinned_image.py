"""``unpinned-image``: image named without a digest."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.UNPINNED_IMAGE,
    title="Image named without a digest",
    severity=AlertSeverity.LOW,
    techniques=("T1204.003",),
    rank=Rank.POLICY,
)

"""``unapproved-image``: image that is not approved here."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.UNAPPROVED_IMAGE,
    title="Image that is not approved here",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1204.003",),
    rank=Rank.POLICY,
)

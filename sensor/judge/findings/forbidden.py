"""``forbidden``: start that the policy forbids."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.FORBIDDEN,
    title="Start that the policy forbids",
    severity=AlertSeverity.HIGH,
    techniques=("T1610",),
    rank=Rank.POLICY,
)

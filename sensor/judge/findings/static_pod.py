"""``static-pod``: new pod from a manifest on the node."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.STATIC_POD,
    title="New pod from a manifest on the node",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1543.005",),
    rank=Rank.BASELINE,
)

"""``direct-runtime``: OCI runtime run without an engine."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.DIRECT_RUNTIME,
    title="OCI runtime run without an engine",
    severity=AlertSeverity.HIGH,
    techniques=("T1610",),
    rank=Rank.STRONG,
)

"""``hidden-start``: start that the engine never spoke of."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.HIDDEN_START,
    title="Start that the engine never spoke of",
    severity=AlertSeverity.HIGH,
    techniques=("T1610",),
    rank=Rank.STRONG,
)

"""``no-explanation``: start that needs an explanation and has none."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.NO_EXPLANATION,
    title="Start that needs an explanation and has none",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.NOTICE,
)

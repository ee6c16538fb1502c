"""``dormant``: start after a long time stopped."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.DORMANT,
    title="Start after a long time stopped",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=("dormant_days",),
)

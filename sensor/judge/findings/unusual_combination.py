"""``unusual-combination``: several things at once that are new."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.UNUSUAL_COMBINATION,
    title="Several things at once that are new",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=("weak_facts",),
)

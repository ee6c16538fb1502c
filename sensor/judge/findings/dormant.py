"""``dormant``: start after a long time stopped."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

DAYS = Number("days", 30, 1, 3650, "days stopped, more than which are reported")

KIND = FindingKind(
    finding=Finding.DORMANT,
    title="Start after a long time stopped",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=(DAYS,),
)

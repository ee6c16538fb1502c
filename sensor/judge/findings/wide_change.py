"""``wide-change``: change that explains more than it should."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

HOURS = Number("hours", 24, 1, 168, "hours, more than which a change may not last")

KIND = FindingKind(
    finding=Finding.WIDE_CHANGE,
    title="Change that explains more than it should",
    severity=AlertSeverity.LOW,
    techniques=(),
    rank=Rank.NOTICE,
    tunables=(HOURS,),
)

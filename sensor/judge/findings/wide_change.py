"""``wide-change``: change that explains more than it should."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.WIDE_CHANGE,
    title="Change that explains more than it should",
    severity=AlertSeverity.LOW,
    techniques=(),
    rank=Rank.NOTICE,
)

"""``hidden-start``: start that the engine did not report."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

SECONDS = Number("seconds", 60, 5, 3600, "seconds within which an engine must report a start")

KIND = FindingKind(
    finding=Finding.HIDDEN_START,
    title="Start that the engine did not report",
    severity=AlertSeverity.HIGH,
    techniques=("T1610",),
    rank=Rank.STRONG,
    tunables=(SECONDS,),
)

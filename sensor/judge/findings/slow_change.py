"""``slow-change``: many small novelties by one initiator within a week."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.SLOW_CHANGE,
    title="Many small novelties by one initiator within a week",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=("slow_change_facts",),
)

"""``slow-change``: many small novelties by one initiator within a week."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

FACTS = Number("facts", 5, 2, 16, "different weak facts of one initiator that make an alert")
DAYS = Number("days", 7, 1, 90, "days over which they are counted")

KIND = FindingKind(
    finding=Finding.SLOW_CHANGE,
    title="Many small novelties by one initiator within a week",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=(FACTS, DAYS),
)

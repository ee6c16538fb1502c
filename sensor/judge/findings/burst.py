"""``burst``: many first starts by one initiator."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

STARTS = Number("starts", 20, 2, 10_000, "first starts within the window that never raise it")
FACTOR = Number(
    "factor", 2, 1, 100, "multiple of the initiator's highest count so far that never raises it"
)
MINUTES = Number("minutes", 5, 1, 60, "minutes of the window")

KIND = FindingKind(
    finding=Finding.BURST,
    title="Many first starts by one initiator",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1496.001",),
    rank=Rank.BASELINE,
    tunables=(STARTS, FACTOR, MINUTES),
)

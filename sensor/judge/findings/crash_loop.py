"""``crash-loop``: container that crashes again and again."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

RESTARTS = Number("restarts", 5, 2, 1000, "restarts within the window that make a loop")
MINUTES = Number("minutes", 10, 1, 240, "minutes of the window")
CALM_MINUTES = Number("calm_minutes", 30, 1, 1440, "minutes without a restart that end it")

KIND = FindingKind(
    finding=Finding.CRASH_LOOP,
    title="Container that crashes again and again",
    severity=AlertSeverity.LOW,
    techniques=("T1499",),
    rank=Rank.OPERATIONAL,
    tunables=(RESTARTS, MINUTES, CALM_MINUTES),
)

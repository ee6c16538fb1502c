"""``unusual-combination``: several things at once that are new."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

WEAK_FACTS = Number("weak_facts", 2, 2, 8, "weak facts that make an alert together")
HOUR_STARTS = Number("hour_starts", 20, 5, 10_000, "starts by people before an hour can be unusual")
HOUR_DAYS = Number("hour_days", 5, 2, 32, "days with such starts before an hour can be unusual")
HOURS_AROUND = Number(
    "hours_around", 2, 0, 6, "hours before and after a usual hour that count as usual"
)

KIND = FindingKind(
    finding=Finding.UNUSUAL_COMBINATION,
    title="Several things at once that are new",
    severity=AlertSeverity.MEDIUM,
    techniques=("T1610",),
    rank=Rank.BASELINE,
    tunables=(WEAK_FACTS, HOUR_STARTS, HOUR_DAYS, HOURS_AROUND),
)

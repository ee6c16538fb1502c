"""``restart-storm``: many workloads restart at once."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

WORKLOADS = Number("workloads", 10, 1, 10_000, "workloads that may restart within the window")
PERCENT = Number(
    "percent", 30, 1, 100, "percent of the running workloads that may, if that is more"
)
MINUTES = Number("minutes", 5, 1, 60, "minutes of the window")
QUIET_MINUTES = Number(
    "quiet_minutes", 10, 0, 240, "minutes after the boot of node or engine that are left out"
)
CALM_MINUTES = Number("calm_minutes", 30, 1, 1440, "minutes without a restart that end it")

KIND = FindingKind(
    finding=Finding.RESTART_STORM,
    title="Many workloads restart at once",
    severity=AlertSeverity.LOW,
    techniques=("T1499",),
    rank=Rank.OPERATIONAL,
    tunables=(WORKLOADS, PERCENT, MINUTES, QUIET_MINUTES, CALM_MINUTES),
)

"""``sensor-tampering``: sensor switched off, stopped or blinded."""

from sensor.judge.findings.kind import FindingKind, Number, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

DOWN_SECONDS = Number(
    "down_seconds", 1, 1, 3600, "seconds without an agent after a kill that are reported"
)

KIND = FindingKind(
    finding=Finding.SENSOR_TAMPERING,
    title="Sensor switched off, stopped or blinded",
    severity=AlertSeverity.HIGH,
    techniques=("T1685",),
    rank=Rank.STRONG,
    tunables=(DOWN_SECONDS,),
)

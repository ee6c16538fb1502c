"""``sensor-tampering``: sensor switched off, stopped or blinded."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.SENSOR_TAMPERING,
    title="Sensor switched off, stopped or blinded",
    severity=AlertSeverity.HIGH,
    techniques=("T1685",),
    rank=Rank.STRONG,
)

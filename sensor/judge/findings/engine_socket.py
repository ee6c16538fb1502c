"""``engine-socket``: container that starts containers over the engine's socket."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.ENGINE_SOCKET,
    title="Container that starts containers over the engine's socket",
    severity=AlertSeverity.HIGH,
    techniques=("T1611", "T1059.013"),
    rank=Rank.BASELINE,
)

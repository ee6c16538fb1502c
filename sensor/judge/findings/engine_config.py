"""``engine-config``: configuration of an engine or runtime that was written."""

from sensor.judge.findings.kind import FindingKind, Rank
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

KIND = FindingKind(
    finding=Finding.ENGINE_CONFIG,
    title="Configuration of an engine was written",
    severity=AlertSeverity.LOW,
    techniques=("T1543.005",),
    rank=Rank.NOTICE,
)

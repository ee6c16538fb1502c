"""``unknown-runtime``: runtime file outside of the directories of packages."""

from sensor.judge.findings.kind import FindingKind, Rank, Texts
from sensor.model.alert import AlertSeverity
from sensor.model.vocabulary import Finding

DIRECTORIES = Texts("directories", "more directories, with a slash at the end, where runtimes lie")

KIND = FindingKind(
    finding=Finding.UNKNOWN_RUNTIME,
    title="Runtime file outside of the directories of packages",
    severity=AlertSeverity.HIGH,
    techniques=("T1036.005",),
    rank=Rank.STRONG,
    tunables=(DIRECTORIES,),
)

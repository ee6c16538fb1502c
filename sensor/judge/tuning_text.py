"""Reads the tables of a policy that tune findings and the baseline.

    [findings.burst]
    starts = 40
    severity = "high"

    [findings.failed-starts]
    enabled = false

    [baseline]
    learning_days = 14

A value stands once in all files. A strong finding cannot be switched off: ``suppress`` it for a
time and for a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.judge.findings.kind import Number
from sensor.judge.findings.registry import KINDS
from sensor.judge.table_reader import TableReader, place_of, unknown
from sensor.judge.tuning import BASELINE as BASELINE_KEYS
from sensor.judge.tuning import Tuning
from sensor.model.alert import AlertSeverity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sensor.judge.findings.kind import FindingKind, Texts
    from sensor.judge.toml_document import TomlDocument
    from sensor.model.vocabulary import Finding

FINDINGS, BASELINE = "findings", "baseline"
TABLES = (FINDINGS, BASELINE)
SEVERITY, ENABLED = "severity", "enabled"
_SEVERITIES = {str(one): one for one in AlertSeverity}


class _Collected:
    """What was read so far."""

    def __init__(self) -> None:
        self.numbers: dict[Number, int] = {}
        self.lists: dict[Texts, tuple[str, ...]] = {}
        self.severities: dict[Finding, AlertSeverity] = {}
        self.off: set[Finding] = set()
        self._places: dict[tuple[str, ...], str] = {}

    def note(self, reader: TableReader, *path: str) -> None:
        """Refuse a table that stands in two places."""
        earlier = self._places.setdefault(path, reader.place)
        if earlier != reader.place:
            reader.fail("", f"stands at {earlier} already", "Join the two tables.")

    def take(self, reader: TableReader, tunables: Iterable[Number | Texts]) -> None:
        """Read the tunables of a table."""
        for tunable in tunables:
            if isinstance(tunable, Number):
                number = reader.number(tunable.key, tunable.least, tunable.most)
                if number is not None:
                    self.numbers[tunable] = number
            elif texts := reader.texts(tunable.key):
                self.lists[tunable] = texts

    def take_finding(self, reader: TableReader, kind: FindingKind) -> None:
        """Read the table of a finding."""
        self.take(reader, kind.tunables)
        severity = reader.member(SEVERITY, _SEVERITIES)
        if severity is not None:
            self.severities[kind.finding] = severity
        enabled = reader.truth(ENABLED)
        if enabled is False and not kind.can_be_switched_off:
            fix = f'Use [suppress.NAME] with finding = "{kind.finding}", until and reason.'
            reader.fail(ENABLED, "a finding that is always on", fix)
        if enabled is False:
            self.off.add(kind.finding)
        reader.check()


def read_tuning(documents: Sequence[TomlDocument]) -> Tuning:
    """Return the tuning of all files. Raises :class:`~sensor.errors.ConfigError`."""
    found = _Collected()
    kinds = {str(finding): kind for finding, kind in KINDS.items()}
    for document in documents:
        for name, reader in document.tables(FINDINGS):
            if name not in kinds:
                place = place_of(document.path, document.lines, (FINDINGS, name))
                unknown(place, (FINDINGS,), name, kinds)
            found.note(reader, FINDINGS, name)
            found.take_finding(reader, kinds[name])
        if (own := document.table(BASELINE)) is not None:
            found.note(own, BASELINE)
            found.take(own, BASELINE_KEYS)
            own.check()
    return Tuning(found.numbers, found.lists, found.severities, frozenset(found.off))

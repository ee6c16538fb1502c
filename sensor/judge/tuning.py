"""How a site has tuned findings and baseline: what its policy sets, else the defaults."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from sensor.dataclass import dataclass
from sensor.judge.findings.kind import Number, Texts
from sensor.judge.findings.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.model.alert import AlertSeverity
    from sensor.model.vocabulary import Finding

LEARNING_DAYS = Number("learning_days", 7, 1, 90, "days in which strong facts alone are reported")
RELEASE_DAYS = Number(
    "release_days", 3, 1, 30, "more days on which a value has to be reported until it is learnt"
)
FLEET_HOSTS = Number("fleet_hosts", 3, 2, 1000, "hosts from which on the fleet knows a value")
BASELINE = (LEARNING_DAYS, RELEASE_DAYS, FLEET_HOSTS)
"""Keys of the table ``[baseline]``."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Immutable once it is read."""

    numbers: Mapping[Number, int] = field(default_factory=dict)
    lists: Mapping[Texts, tuple[str, ...]] = field(default_factory=dict)
    severities: Mapping[Finding, AlertSeverity] = field(default_factory=dict)
    off: frozenset[Finding] = frozenset()
    """Findings that are switched off."""

    def number(self, tunable: Number) -> int:
        """Return a number as it is set, else its default."""
        # Six times a start, and most nodes set none.
        return self.numbers.get(tunable, tunable.default) if self.numbers else tunable.default

    def texts(self, tunable: Texts) -> tuple[str, ...]:
        """Return a list as it is set, else an empty one."""
        return self.lists.get(tunable, ())

    def severity(self, finding: Finding) -> AlertSeverity:
        """Return the severity of a finding's alerts."""
        return self.severities.get(finding) or KINDS[finding].severity


DEFAULT = Tuning()

"""Every finding by its id: ``KIND`` of the file beside this that bears its name.

The registration of a finding is its line in :class:`~sensor.model.vocabulary.Finding`. The order
there is the order in which one is chosen to name an alert, among those of one severity.
"""

from __future__ import annotations

from importlib import import_module

from sensor.judge.findings.kind import FindingKind
from sensor.model.vocabulary import Finding


def _kind(finding: Finding) -> FindingKind:
    kind = import_module(f"sensor.judge.findings.{finding.name.lower()}").KIND
    if not isinstance(kind, FindingKind) or kind.finding is not finding:
        message = f"sensor/judge/findings/{finding.name.lower()}.py: KIND is not of {finding}"
        raise TypeError(message)
    return kind


KINDS: dict[Finding, FindingKind] = {finding: _kind(finding) for finding in Finding}

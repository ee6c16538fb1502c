"""Writes what follows from the table of findings: a Sigma rule for each, and the ATT&CK layer.

``python -m lab.sigma_pack`` writes ``rules/sigma/alerts/`` and ``deploy/attack/layer.json`` anew; a
test fails when they are stale. The rules over starts and the correlations are written by hand.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.judge.findings.kind import ATTACK_VERSION
from sensor.judge.findings.registry import KINDS

if TYPE_CHECKING:
    from sensor.judge.findings.kind import FindingKind

ROOT = Path(__file__).resolve().parents[1]
ALERTS = ROOT / "rules/sigma/alerts"
LAYER = ROOT / "deploy/attack/layer.json"
DATE = "2026-11-29"

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:castoff:sigma")

TACTICS = {
    "T1610": ("execution", "stealth"),
    "T1611": ("privilege-escalation",),
    "T1612": ("stealth",),
    "T1036": ("stealth",),
    "T1059": ("execution",),
    "T1204": ("execution",),
    "T1609": ("execution",),
    "T1525": ("persistence",),
    "T1543": ("persistence", "privilege-escalation"),
    "T1496": ("impact",),
    "T1499": ("impact",),
    "T1685": ("defense-impairment",),
}
"""Tactics of the techniques, ATT&CK 19."""


def tags(techniques: tuple[str, ...]) -> list[str]:
    """Return Sigma's tags of techniques and their tactics."""
    tactics = {tactic for one in techniques for tactic in TACTICS.get(one.partition(".")[0], ())}
    return [f"attack.{one}" for one in sorted(tactics)] + [
        f"attack.{one.lower()}" for one in techniques
    ]


def rule(kind: FindingKind) -> str:
    """Return the rule of a finding, as SigmaHQ's conventions have it."""
    name = kind.finding.value
    lines = [
        f"title: {kind.title}",
        f"id: {uuid.uuid5(_NAMESPACE, f'alert/{name}')}",
        "status: test",
        f"description: Castoff raised or updated an alert with the finding {name}.",
        "author: Castoff",
        f"date: {DATE}",
    ]
    found = tags(kind.techniques)
    if found:
        lines += ["tags:", *(f"    - {one}" for one in found)]
    lines += [
        "logsource:",
        "    product: linux",
        "    service: castoff",
        "detection:",
        "    selection:",
        "        type: alert",
        f"        alert.finding: {name}",
        "        alert.state:",
        "            - new",
        "            - update",
        "    condition: selection",
        "falsepositives:",
        f"    - docs/findings/{name}.md lists what is not one",
        f"level: {kind.severity.value}",
    ]
    return "\n".join(lines) + "\n"


def layer() -> str:
    """Return the layer for ATT&CK Navigator: what each technique's findings are."""
    named: dict[str, list[str]] = {}
    for kind in KINDS.values():
        for technique in kind.techniques:
            named.setdefault(technique, []).append(f"{kind.finding.value} ({kind.severity.value})")
    # A technique without an entry of its own would hide its sub-techniques.
    parents = {one.partition(".")[0] for one in named if "." in one}
    made = {
        "name": "Castoff",
        "versions": {"attack": ATTACK_VERSION, "navigator": "5.2.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": "Techniques that findings of Castoff name. A score is a number of findings.",
        "filters": {"platforms": ["Containers", "Linux"]},
        "sorting": 3,
        "layout": {
            "layout": "side",
            "showID": True,
            "showName": True,
            "expandedSubtechniques": "annotated",
        },
        "techniques": [
            _technique(technique, named.get(technique, []), opened=technique in parents)
            for technique in sorted({*named, *parents})
        ],
        "gradient": {
            "colors": ["#e3edf8", "#1f5c9e"],
            "minValue": 0,
            "maxValue": max(map(len, named.values())),
        },
        "legendItems": [],
        "showTacticRowBackground": False,
        "hideDisabled": False,
    }
    return json.dumps(made, indent=2) + "\n"


def _technique(id_: str, findings: list[str], *, opened: bool) -> dict[str, object]:
    """Return the entry of a technique; ``opened`` shows its sub-techniques."""
    made: dict[str, object] = {"techniqueID": id_, "enabled": True}
    if findings:
        made |= {"score": len(findings), "comment": ", ".join(findings)}
    return made | {"showSubtechniques": True} if opened else made


def files() -> dict[Path, str]:
    """Return each file that this writes, with its text."""
    made = {ALERTS / f"{kind.finding.value}.yml": rule(kind) for kind in KINDS.values()}
    return {**made, LAYER: layer()}


def main() -> None:
    """Write all of them, and remove rules of findings that are gone."""
    wanted = files()
    ALERTS.mkdir(parents=True, exist_ok=True)
    LAYER.parent.mkdir(parents=True, exist_ok=True)
    for path in set(ALERTS.glob("*.yml")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

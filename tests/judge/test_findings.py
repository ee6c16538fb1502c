"""The findings are whole: each is registered, has a page, and techniques of the version named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensor.judge import findings
from sensor.judge.findings.kind import Number, Rank
from sensor.judge.findings.registry import KINDS
from sensor.model.alert import AlertClass
from sensor.model.vocabulary import Finding

FILES = {path.stem for path in Path(findings.__file__).parent.glob("*.py")}
REVOKED = "T1562"


def test_each_finding_is_registered_once_and_has_a_file_of_its_name() -> None:
    assert set(KINDS) == set(Finding)
    assert FILES - {"__init__", "kind", "registry"} == {one.name.lower() for one in Finding}


@pytest.mark.parametrize("finding", list(Finding))
def test_a_finding_says_what_it_is(finding: Finding) -> None:
    kind = KINDS[finding]
    assert kind.finding is finding
    assert kind.title
    assert not kind.title.endswith(".")
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", one) for one in kind.techniques)
    assert not any(one.startswith(REVOKED) for one in kind.techniques)
    operational = kind.class_ is AlertClass.OPERATIONAL
    assert operational == (kind.rank is Rank.OPERATIONAL)


PAGES = Path(__file__).parents[2] / "docs" / "findings"


@pytest.mark.parametrize("finding", list(Finding))
def test_a_finding_has_a_page_that_agrees_with_it(finding: Finding) -> None:
    kind = KINDS[finding]
    text = (PAGES / f"{finding}.md").read_text()
    assert text.startswith(f"# {finding}\n\n{kind.title}.\n")
    assert f"| severity | {kind.severity} |" in text
    assert f"| ATT&CK v19 | {', '.join(kind.techniques) or 'none'} |" in text
    for part in ("**A true one.** ", "**Not one.** ", "test host:**\n\n    ", "**What to do.** "):
        assert part in text
    assert f"`[findings.{finding}]`" in text
    for one in kind.tunables:
        assert one.says in text
        known = one.default if isinstance(one, Number) else "none"
        allowed = f"{one.least} to {one.most}" if isinstance(one, Number) else "texts"
        assert f"| `{one.key}` | {known} | {allowed} | {one.says} |" in text
    assert f"| `severity` | {kind.severity} |" in text
    assert ("| `enabled` | true |" in text) is kind.can_be_switched_off
    assert f"[{finding}]({finding}.md)" in (PAGES / "README.md").read_text()


def test_each_page_is_of_a_finding() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == {one.value for one in Finding}

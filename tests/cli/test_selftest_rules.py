"""The rules by which the selftest tries findings of the policy."""

from __future__ import annotations

from datetime import UTC

import pytest

from sensor.agent.host_zone import zone_of
from sensor.cli.selftest_rules import rule_for
from sensor.judge.judge import Judge
from sensor.judge.policy_text import SourceText, read
from sensor.model.vocabulary import Finding
from tests.judge.samples import NOW, start

OF_RULES = (
    Finding.FORBIDDEN,
    Finding.OUTSIDE_WINDOW,
    Finding.UNAPPROVED_IMAGE,
    Finding.UNPINNED_IMAGE,
    Finding.NO_EXPLANATION,
)


@pytest.mark.parametrize("finding", OF_RULES)
def test_a_rule_speaks_of_the_throw_away_container_alone(finding: Finding) -> None:
    text = rule_for(finding, "castoff-selftest-x", NOW / 1e9)
    policy = read([SourceText("policy.d/x.toml", text.encode())], zone_of, NOW)
    (rule,) = policy.rules
    assert rule.selector.written() == {"name": ["castoff-selftest-x"]}


@pytest.mark.parametrize("finding", [one for one in OF_RULES if one != Finding.UNPINNED_IMAGE])
def test_a_rule_raises_its_finding_about_that_container(finding: Finding) -> None:
    text = rule_for(finding, "castoff-selftest-x", NOW / 1e9)
    judge = Judge(read([SourceText("policy.d/x.toml", text.encode())], zone_of, NOW), zone=UTC)
    assert judge.verdict(start("castoff-selftest-x")).findings == (finding,)
    assert judge.verdict(start("another")).findings == ()

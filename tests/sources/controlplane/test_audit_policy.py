"""What a policy gives to what matters, by the first rule that matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sensor.sources.controlplane.audit_policy import (
    QUESTIONS,
    PolicyInvalid,
    answers,
    matches_nothing,
    repeats_stages,
    secrets_recorded,
)

ROOT = Path(__file__).parents[3]


def policy(*rules: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"kind": "Policy", "rules": list(rules), **parts}


def levels(given: dict[str, Any]) -> dict[str, str]:
    return {answer.question.name: answer.level for answer in answers(given)}


def test_the_recommended_policy_hides_nothing() -> None:
    given = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "audit-policy.yaml").read_text())
    assert [(one.question.name, one.lost) for one in answers(given) if one.lost is not None] == []
    assert secrets_recorded(given) == []
    assert not repeats_stages(given)


def test_the_policy_of_a_recorded_cluster_hides_what_its_log_lacks() -> None:
    given = yaml.safe_load(
        (ROOT / "tests" / "corpora" / "kubernetes" / "audit-policy.yaml").read_text()
    )
    lost = {one.question.name: one.lost for one in answers(given) if one.lost is not None}
    assert lost["a node reports its containers"] == "container ids and start times"
    assert "a person opens a shell in a pod" not in lost
    assert "a person creates a pod" not in lost


def test_a_request_that_no_rule_matches_is_not_recorded() -> None:
    assert set(levels(policy()).values()) == {"None"}


def test_the_first_rule_that_matches_decides() -> None:
    nodes = {"level": "None", "userGroups": ["system:nodes"]}
    found = levels(policy(nodes, {"level": "Request"}))
    assert found["a node reports its containers"] == "None"
    assert found["a person creates a pod"] == "Request"


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("pods", {"a person creates a pod", "a person deletes a pod"}),
        ("pods/*", {"a person creates a pod", "a person evicts a pod"}),
        ("*/status", {"a node reports its containers"}),
        ("*", {"a person creates a pod", "a person evicts a pod"}),
    ],
)
def test_subresources_are_matched_apart(pattern: str, matched: set[str]) -> None:
    found = levels(
        policy({"level": "Metadata", "resources": [{"group": "", "resources": [pattern]}]})
    )
    seen = {name for name, level in found.items() if level == "Metadata"}
    assert matched <= seen
    if pattern == "pods":
        assert "a person evicts a pod" not in seen


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"resources": [{"group": "*"}]}, 'rule 1: a group is "*"'),
        ({"verbs": ["*"]}, 'rule 1: verbs has "*"'),
    ],
    ids=["groups", "verbs"],
)
def test_an_asterisk_among_groups_and_verbs_matches_nothing(
    rule: dict[str, Any], named: str
) -> None:
    given = policy({"level": "RequestResponse", **rule})
    assert set(levels(given).values()) == {"None"}
    assert matches_nothing(given) == [named]


def test_a_rule_for_some_objects_does_not_speak_for_all() -> None:
    some = {"group": "", "resources": ["pods"], "resourceNames": ["web"]}
    found = levels(policy({"level": "RequestResponse", "resources": [some]}))
    assert set(found.values()) == {"None"}
    # Names without resources are not looked at.
    all_ = {"group": "", "resourceNames": ["web"]}
    found = levels(policy({"level": "Request", "resources": [all_]}))
    assert found["a person creates a pod"] == "Request"


@pytest.mark.parametrize("by_rule", [True, False], ids=["a rule", "the policy"])
def test_a_request_whose_end_is_not_recorded_has_no_outcome(*, by_rule: bool) -> None:
    """The stages that the policy omits and those that the rule omits are both left out."""
    stages = {"omitStages": ["ResponseComplete"]}
    rule = {"level": "RequestResponse", **(stages if by_rule else {})}
    given = policy(rule, **({} if by_rule else stages))
    found = {one.question.name: one for one in answers(given)}
    created = found["a person creates a pod"]
    assert created.unseen
    assert created.lost == "its outcome: the stage ResponseComplete is omitted"
    # A stream is recorded when it begins.
    assert not found["a person opens a shell in a pod"].unseen


def test_a_rule_for_some_namespaces_does_not_speak_for_all() -> None:
    found = levels(policy({"level": "RequestResponse", "namespaces": ["kube-system"]}))
    assert set(found.values()) == {"None"}


def test_bodies_of_secrets_are_noticed() -> None:
    assert secrets_recorded(policy({"level": "RequestResponse"})) == ["secrets", "configmaps"]


@pytest.mark.parametrize(
    "odd", [None, [], "x", {}, {"kind": "Policy"}, {"kind": "Pod", "rules": []}]
)
def test_what_is_not_a_policy_is_refused(odd: object) -> None:
    with pytest.raises(PolicyInvalid):
        answers(odd)


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}, [None], [{"resources": 1}]])
def test_odd_rules_match_nothing_or_all_and_never_raise(odd: object) -> None:
    for key in ("level", "users", "userGroups", "verbs", "resources", "namespaces"):
        assert len(answers(policy({"level": "Metadata", key: odd}))) == len(QUESTIONS)

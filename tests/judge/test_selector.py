"""A selector matches any value of a key, and all keys."""

from __future__ import annotations

from tests.judge.samples import facts, initiator, policy, start


def test_selectors_match_any_value_of_a_key_and_all_keys() -> None:
    (rule,) = policy(
        "[expect.a]\nimage = ['nginx', 'registry.example.com/shop/*']\nlogin = 'alice'"
    ).expect.rules
    assert rule.selector.matches(facts(start()))
    assert rule.selector.matches(facts(start(image="nginx:1.25")))
    assert rule.selector.matches(facts(start(image="docker.io/library/nginx")))
    assert not rule.selector.matches(facts(start(by=initiator("bob"))))
    assert not rule.selector.matches(facts(start(image="evil.example.com/shop/web")))


def test_an_explanation_has_to_hold_for_every_candidate() -> None:
    (rule,) = policy("[expect.a]\nlogin = 'alice'").expect.rules
    both = facts(start(candidates=(initiator("alice"), initiator("mallory"))))
    assert not rule.selector.matches(both)
    assert rule.selector.matches(both, some=True)
    assert rule.selector.matches(facts(start(candidates=(initiator("alice"),) * 2)))


def test_what_is_not_met_is_said_as_the_rule_was_asked() -> None:
    (rule,) = policy("[forbid.a]\nlogin = 'mallory'\nname = 'db'").forbid.rules
    both = facts(start("web", candidates=(initiator("alice"), initiator("mallory"))))
    assert rule.selector.unmet(both, some=True) == ("name: expected db, seen web",)
    assert len(rule.selector.unmet(both)) == 2

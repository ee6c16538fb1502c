"""Patterns: what they match, what is refused, and what they cost."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.judge.glob import LENGTH_MAX, STARS_MAX, Glob


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("web", "web", True),
        ("web", "web2", False),
        ("web*", "web", True),
        ("*", "", True),
        ("*web", "my-web", True),
        ("a*b*c", "abc", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("*a*a*", "a", False),
        ("quay.io/*/x", "quay.io/a/b/x", True),
        ("a*aab", "aaab", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, text: str, matches: bool) -> None:
    assert Glob.compile(pattern).matches(text) is matches


@settings(deadline=None)
@given(st.text("ab*", min_size=1, max_size=12), st.text("ab", max_size=20))
def test_a_pattern_matches_as_in_the_shell(pattern: str, text: str) -> None:
    if pattern.count("*") <= STARS_MAX:
        assert Glob.compile(pattern).matches(text) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    "pattern",
    ["", "x" * (LENGTH_MAX + 1), "*" * 10_000, "a*" * (STARS_MAX + 1), "web-?", "web[0-9]"],
)
def test_what_has_no_bound_or_another_wildcard_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|wildcard"):
        Glob.compile(pattern)


def test_the_worst_pattern_takes_time_linear_in_the_text() -> None:
    worst = Glob.compile("a*" * (STARS_MAX - 1) + "b*c")

    def cost(length: int) -> float:
        text = "a" * length
        begin = time.process_time()
        for _ in range(200):
            worst.matches(text)
        return time.process_time() - begin

    cost(100)
    assert cost(4000) < 40 * max(cost(400), 0.0005)


def test_a_text_beyond_the_bound_matches_nothing_but_the_star() -> None:
    text = "a" * 5000
    assert not Glob.compile("a*").matches(text)
    assert Glob.compile("*").matches(text)

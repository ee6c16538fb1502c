"""Operators' own cgroup patterns."""

from __future__ import annotations

import pytest

from sensor.errors import ConfigError
from sensor.identity.cgroup import parse
from sensor.identity.pattern import MAX_PATTERN, MAX_PATTERNS, parser_with

H = "a1" * 32


def test_without_patterns_it_is_the_plain_parser() -> None:
    assert parser_with(()) is parse


def test_a_pattern_names_what_castoff_does_not_know() -> None:
    found = parser_with([r"^/batch/job-(?P<id>\d+)$"])("/batch/job-17")
    assert found is not None
    assert (found.id, found.engine, found.parents, found.exact) == ("17", None, (), True)


def test_a_pattern_inside_a_known_container_makes_that_the_parent() -> None:
    found = parser_with([r"/batch/job-(?P<id>\d+)$"])(f"/docker/{H}/batch/job-17")
    assert found is not None
    assert (found.id, found.parents) == ("17", (H,))


def test_a_pattern_for_a_known_container_changes_nothing() -> None:
    path = f"/docker/{H}"
    assert parser_with([r"/docker/(?P<id>[0-9a-f]{64})"])(path) == parse(path)


@pytest.mark.parametrize("path", ["/batch/../batch/job-17", "/batch/job-17/..", "/" + "x" * 5000])
def test_bounds_hold_for_patterns_too(path: str) -> None:
    assert parser_with([r"(?P<id>job-\d+|x+)"])(path) is None


def test_what_no_pattern_matches_is_parsed_as_ever() -> None:
    found = parser_with([r"/batch/(?P<id>\d+)"])(f"/docker/{H}")
    assert found is not None
    assert found.id == H


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?P<id>", id="syntax"),
        pytest.param(r"/batch/(\d+)", id="no named group"),
        pytest.param(r"/(?P<name>\d+)", id="another name"),
        pytest.param(r"/(?P<ns>\w+)/(?P<id>\w+)", id="two names"),
        pytest.param(r"(?P<id>(a+)+)$", id="nested repeat"),
        pytest.param(r"(?P<id>x)" + "x" * MAX_PATTERN, id="too long"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parser_with([pattern])
    assert "identity.cgroup_patterns" in caught.value.problem
    assert caught.value.fix


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(ConfigError):
        parser_with([r"(?P<id>x)"] * (MAX_PATTERNS + 1))

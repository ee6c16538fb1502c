"""Changes are read whole, or refused by key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.judge.change_text import of_file, of_json
from sensor.judge.policy_text import SourceText
from tests.judge.changes import ROOT
from tests.judge.samples import NOW


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"id": None}, "id: missing"),
        ({"id": "a b"}, "is not an id of a change"),
        ({"id": "x" * 65}, "is not an id of a change"),
        ({"by": None}, "by: missing"),
        ({"by": "a\x1b[2J"}, "by: holds a control character"),
        ({"for_seconds": None}, "not_after: missing"),
        ({"for_seconds": 8 * 86_400}, "for_seconds: not a whole number"),
        ({"for_seconds": True}, "for_seconds: not a whole number"),
        (
            {"for_seconds": None, "not_after": "2026-12-24T00:00:00Z"},
            "not_after: more than 7 days",
        ),
        (
            {"for_seconds": None, "not_after": "2026-11-29T00:00:00Z"},
            "not_after: before not_before",
        ),
        ({"not_before": "2026-11-30T08:00:00"}, "not_before: a time without a zone"),
        ({"max_starts": 0}, "max_starts: not a whole number"),
        ({"allows": ["*" * 20]}, "allows: a pattern"),
        ({"selector": {}}, "selector: unknown key"),
        ({"nam": "web"}, "nam: unknown key"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_by_key(
    values: dict[str, object], problem: str
) -> None:
    body = {"id": "CHG-1", "by": "carol", "for_seconds": 60, **values}
    known = {key: value for key, value in body.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        of_json(json.dumps(known).encode(), NOW, ROOT)
    assert problem in caught.value.problem


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"\xff", b"[" * 100_000, b"x" * 20_000])
def test_a_body_that_is_not_a_change_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        of_json(data, NOW, ROOT)


@settings(deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "by", "for_seconds", "not_after", "allows", "name", "kind"]),
        inner, max_size=5,
    ),
    max_leaves=8,
))  # fmt: skip
def test_any_json_is_a_change_or_one_clear_error(value: object) -> None:
    try:
        of_json(json.dumps(value).encode(), NOW, ROOT)
    except ConfigError as error:
        refused = error
    else:
        return
    assert refused.problem.startswith("request")


def test_a_file_needs_both_ends_of_a_change() -> None:
    text = '[change.A]\nby = "x"\nnot_after = 2026-12-01\n'
    with pytest.raises(ConfigError, match=r"a\.toml:1: change\.A\.not_before: missing"):
        of_file(SourceText("a.toml", text.encode()), NOW)

"""Changes are read whole, or refused by key."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.errors import ConfigError
from sensor.judge.change import Usage
from sensor.judge.change_text import (
    change_of_row,
    change_row,
    of_file,
    of_json,
    usage_of_row,
    usage_row,
)
from sensor.judge.policy_text import SourceText
from tests.judge.changes import ROOT
from tests.judge.samples import HOUR, NOW


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
        ({"not_after": "2026-12-01T00:00:00Z"}, "for_seconds: given beside not_after"),
        ({"for_seconds": None, "not_after": 1796000000}, "not_after: not a time"),
        ({"not_before": "9999-12-31T23:59:59Z"}, "not_after: not in the years"),
        ({"by": "\ud800"}, "by: holds a control character"),
        ({"by": "carol\x9b2J"}, "by: holds a control character"),
        ({"by": "carol\u202egnp"}, "by: holds a control character"),
        ({"name": "a\nb"}, "name: holds a control character"),
        ({"allows": ["cap:\udfff"]}, "allows: holds a control character"),
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


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b"\xff",
        b"[" * 100_000,
        b"x" * 20_000,
        b'{"id": "A", "by": "carol", "by": "mallory", "for_seconds": 60}',
    ],
)
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


def window(begin: str, end: str) -> tuple[int, int]:
    text = f'[change.A]\nby = "x"\nnot_before = {begin}\nnot_after = {end}\n'
    (found,) = of_file(SourceText("a.toml", text.encode()), NOW)
    return found.not_before, found.not_after


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-11-30", "2026-12-01"),
        ('"2026-11-30"', '"2026-12-01"'),
        ("2026-11-30T00:00:00Z", "2026-12-02T00:00:00Z"),
        ('"2026-11-30t01:00:00+01:00"', '"2026-12-02t00:00:00z"'),
    ],
)
def test_dates_are_whole_days_of_utc(begin: str, end: str) -> None:
    assert window(begin, end) == (NOW - 10 * HOUR, NOW + 38 * HOUR)


def test_a_change_of_one_date_is_a_day() -> None:
    begin, end = window("2026-11-30", "2026-11-30")
    assert end - begin == 24 * HOUR


def test_a_usage_of_an_earlier_version_acknowledged_nothing() -> None:
    usage = Usage(2, NOW, NOW, seen=("a", "b"))
    assert usage_of_row(json.dumps(json.loads(usage_row(usage))[:7]).encode()) == usage


@pytest.mark.parametrize("wrong", [{}, [[1]], "x", 1e999])
def test_a_row_with_a_value_of_another_type_makes_no_sense(wrong: object) -> None:
    body = json.dumps({"id": "CHG-1", "by": "carol", "for_seconds": 60}).encode()
    written = json.loads(change_row(of_json(body, NOW, ROOT)))
    with pytest.raises(ValueError):  # noqa: PT011 - any of its kinds
        change_of_row(json.dumps(written | {"max_starts": wrong}).encode())
    used = json.loads(usage_row(Usage(1, NOW, NOW)))
    for place in (1, 2, 3):
        row = [*used[:place], wrong, *used[place + 1 :]]
        with pytest.raises(ValueError):  # noqa: PT011 - any of its kinds
            usage_of_row(json.dumps(row).encode())

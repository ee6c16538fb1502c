"""Bounds of strings and labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.text import (
    CUT,
    LABELS_LEFT_OUT,
    MAX_LABEL_KEY,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    MAX_LABELS_TOTAL,
    bounded,
    bounded_labels,
    known,
)

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()))


def test_what_fits_is_unchanged() -> None:
    assert bounded("web", 3 + len(CUT)) == "web"
    assert known("web") == "web"
    assert known("") is None
    assert known(None) is None


@given(ANYTHING, st.integers(len(CUT), 100))
def test_a_cut_is_marked_and_the_result_can_be_encoded(text: str, limit: int) -> None:
    found = bounded(text, limit)
    assert len(found) <= limit
    assert len(text) <= limit or found.endswith(CUT)
    found.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0xD800, 0xFFFD), (0xDC7F, 0xFFFD), (0xDD00, 0xFFFD), (0xDCFF, 0xDCFF)],
    ids=hex,
)
def test_lone_surrogates_become_replacement_characters(code: int, expected: int) -> None:
    assert bounded(chr(code)) == chr(expected)


def test_labels_are_sorted_and_bounded() -> None:
    found = bounded_labels([("b", "2"), ("a", "1" * 5000), ("k" * 5000, "3")])
    assert [key for key, _ in found] == ["a", "b", bounded("k" * 5000, MAX_LABEL_KEY)]
    assert len(found[0][1]) == MAX_LABEL_VALUE


def test_labels_that_are_left_out_are_counted() -> None:
    found = bounded_labels([(f"{number:04}", "x") for number in range(1000)])
    assert len(found) == MAX_LABELS + 1
    assert found[-1] == (LABELS_LEFT_OUT, str(1000 - MAX_LABELS))


def test_labels_are_bounded_in_total() -> None:
    found = bounded_labels([(f"{number:04}", "x" * 2000) for number in range(60)])
    assert sum(len(key) + len(value) for key, value in found[:-1]) <= MAX_LABELS_TOTAL
    assert found[-1][0] == LABELS_LEFT_OUT

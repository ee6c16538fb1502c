"""What other people named never becomes a terminal command, and columns line up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.schema.text import columns, fit, fit_middle, visible

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("web", "web", id="plain"),
        pytest.param("a\x1b[2J", "a\\x1b[2J", id="escape sequence"),
        pytest.param("\x9b31m", "\\x9b31m", id="8-bit control sequence introducer"),
        pytest.param("a\r\nb\t", "a\\x0d\\x0ab\\x09", id="line breaks"),
        pytest.param("\u202egnp.exe", "\\u202egnp.exe", id="bidi override"),
        pytest.param("a\u200db\ufeff", "a\\u200db\\ufeff", id="zero width"),
        pytest.param("\u2028", "\\u2028", id="line separator"),
        pytest.param("caf\udce9", "caf\\xe9", id="a byte that was no UTF-8"),
        pytest.param("\ud800", "\\ud800", id="any other surrogate"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag character"),
        pytest.param("日本 käse 🐋", "日本 käse 🐋", id="letters of the world"),
    ],
)
def test_control_and_invisible_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_text_prints_and_encodes(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert visible(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        pytest.param("web", 5, "web  ", id="padded"),
        pytest.param("web", 3, "web", id="exact"),
        pytest.param("webserver", 5, "webs…", id="cut"),
        pytest.param("日本語", 6, "日本語", id="wide and exact"),
        pytest.param("日本語", 5, "日本…", id="wide and cut"),
        pytest.param("日本語", 4, "日… ", id="half a character is left"),
        pytest.param("webserver", 1, "…", id="one column"),
        pytest.param("webserver", 0, "", id="no column"),
        pytest.param("e\u0301a", 3, "e\u0301a ", id="combining mark takes no column"),
    ],
)
def test_a_text_is_cut_or_padded_to_its_columns(text: str, width: int, fitted: str) -> None:
    assert fit(text, width) == fitted


@given(ANY_TEXT, st.integers(0, 60))
def test_a_fitted_text_takes_exactly_its_columns(text: str, width: int) -> None:
    assert columns(fit(visible(text), width)) == width


def test_a_pile_of_combining_marks_is_cut_down() -> None:
    assert len(fit("a" + "\u0301" * 10_000, 10)) < 40


@pytest.mark.parametrize(
    ("width", "fitted"),
    [
        (24, "web-7c5ddbdf54-2b8fg/app"),
        (26, "web-7c5ddbdf54-2b8fg/app  "),
        (15, "web-…-2b8fg/app"),
        (10, "web…fg/app"),
        (5, "web-…"),
    ],
)
def test_a_text_that_is_cut_in_its_middle_keeps_both_ends(width: int, fitted: str) -> None:
    assert fit_middle("web-7c5ddbdf54-2b8fg/app", width) == fitted


@given(st.text(), st.integers(1, 40))
def test_a_text_that_is_cut_in_its_middle_takes_exactly_its_columns(text: str, width: int) -> None:
    assert columns(fit_middle(visible(text), width)) == width

"""Lengths of time as a person types them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.cli.length import Length

LENGTH = Length(99)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("2h", 7200),
        ("1d12h", 129_600),
        ("90s", 90),
        (" 7d ", 604_800),
        ("1d1h1m1s", 90_061),
    ],
)
def test_days_hours_minutes_and_seconds_add_up(text: str, seconds: int) -> None:
    assert LENGTH.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5", "0h", "1h1d", "-1h", "1.5h", "100000h", "1h\n2"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a length of time: write 30m, 2h or 1d12h"):
        LENGTH.convert(text, None, None)


def test_a_length_beyond_the_longest_is_named_as_such() -> None:
    with pytest.raises(click.BadParameter, match="100d is longer than 99d"):
        LENGTH.convert("100d", None, None)


@given(st.text(max_size=100))
def test_any_text_is_some_seconds_or_one_error(text: str) -> None:
    message, seconds = "", 1
    try:
        seconds = LENGTH.convert(text, None, None)
    except click.BadParameter as error:
        message = error.message
    assert seconds > 0
    assert len(message) < 200


def test_what_is_longer_than_is_taken_is_refused_with_the_most() -> None:
    assert Length(7).convert("7d", None, None) == 7 * 86_400
    with pytest.raises(click.BadParameter, match="7d1s is longer than 7d"):
        Length(7).convert("7d1s", None, None)

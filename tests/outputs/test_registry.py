"""Kinds and formats are found by the words of the configuration."""

from __future__ import annotations

import pytest

from sensor.outputs.registry import FORMATS, KINDS, format_of, kind_of


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_imported_and_its_default_format_is_one_that_it_takes(name: str) -> None:
    kind = kind_of(name)
    assert kind.format in FORMATS
    assert not kind.formats or kind.format in kind.formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_calls_itself_as_it_is_registered(name: str) -> None:
    assert format_of(name).name == name


def test_a_word_that_stands_for_nothing_is_no_module() -> None:
    with pytest.raises(KeyError):
        kind_of("sensor.errors")
    with pytest.raises(KeyError):
        format_of("os")

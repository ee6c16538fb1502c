"""Colours and widths are those of the terminal, unless something else is asked for."""

from __future__ import annotations

import sys

import pytest

from sensor.cli.options import coloured, width


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "91")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_gives_the_width_and_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert width(no_trunc=False) == 91
    assert width(no_trunc=True) is None
    assert coloured("auto")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured("auto")
    assert coloured("always")


def test_a_file_is_neither_cut_nor_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert width(no_trunc=False) is None
    assert not coloured("auto")
    assert not coloured("never")

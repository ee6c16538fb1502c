"""A long reading shows its progress on a terminal, and nowhere else."""

from __future__ import annotations

import io
from itertools import count

import pytest

from sensor.cli.progress import EVERY, SECONDS, counting


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def test_a_terminal_shows_the_number_and_loses_the_line_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    seconds = count(0.0, SECONDS)
    items = range(3 * EVERY)
    assert list(counting(items, "events read", lambda: next(seconds))) == list(items)
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown == ["", "500 events read", "1,000 events read", "1,500 events read", ""]


def test_what_is_read_at_once_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert len(list(counting(range(3 * EVERY), "events read", lambda: 0.0))) == 3 * EVERY
    assert not terminal.getvalue()


def test_a_file_gets_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = count(0.0, SECONDS)
    assert len(list(counting(range(3 * EVERY), "events read", lambda: next(seconds)))) == 3 * EVERY
    assert capsys.readouterr().err == ""

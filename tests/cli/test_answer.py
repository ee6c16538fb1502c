"""A document is one line of JSON; a table is cut and painted as its options say."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from sensor.cli.answer import print_json, print_table
from sensor.cli.columns import Layout

LAYOUT = Layout(("NAME", "WHAT"), frozenset({"WHAT"}), ())
ROWS = [("web", "x" * 60)]
NARROW = os.terminal_size((40, 24))


def test_a_document_is_one_compact_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "a\nb\x1b", "of": [1, None]})
    printed = capsys.readouterr().out
    assert printed == '{"name":"a\\nb\\u001b","of":[1,null]}\n'
    assert json.loads(printed)["name"] == "a\nb\x1b"


def test_a_table_fits_the_terminal_unless_nothing_is_to_be_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: NARROW)
    print_table(LAYOUT, ROWS, no_trunc=False, colour="never")
    assert max(map(len, capsys.readouterr().out.splitlines())) <= NARROW.columns
    print_table(LAYOUT, ROWS, no_trunc=True, colour="never")
    assert "x" * 60 in capsys.readouterr().out


@pytest.mark.parametrize(("colour", "painted"), [("always", True), ("never", False)])
def test_the_header_is_painted_on_request(
    capsys: pytest.CaptureFixture[str], colour: str, painted: bool
) -> None:
    print_table(LAYOUT, ROWS, no_trunc=True, colour=colour)
    assert ("\x1b[1m" in capsys.readouterr().out) is painted

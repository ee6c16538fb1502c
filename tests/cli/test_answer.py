"""A document is one line of JSON; a table is cut and painted as its options say."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from sensor.cli.answer import (
    Style,
    clock_time,
    print_done,
    print_fields,
    print_json,
    print_list,
    print_table,
)
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


def test_what_was_done_is_a_sentence_for_a_person_and_the_answer_for_a_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_done({"id": "a"}, "table", "it has \x1b[2J ended")
    assert capsys.readouterr().out == "it has \\x1b[2J ended\n"
    print_done({"id": "a"}, "json", "it has ended")
    assert capsys.readouterr().out == '{"id":"a"}\n'


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"added_by": "carol", "reason": None, "allows": ["a", "b"], "url": "", "starts": 0}
    print_fields(fields)
    assert capsys.readouterr().out == "added by: carol\nallows: a, b\nstarts: 0\n"


def test_times_are_shown_to_the_second(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"ended": "2026-11-29T19:18:55.314689136Z", "reason": "2026-11-29T19:18:55.5Z"}
    print_fields(fields, frozenset({"ended"}))
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["ended: 2026-11-29 19:18:55 UTC", f"reason: {fields['reason']}"]
    assert clock_time("soon") == "soon"


def test_a_list_is_rows_for_a_person_and_lines_for_a_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def row(one: Mapping[str, Any]) -> tuple[str, str]:
        return one["name"], "x"

    documents = [{"name": "web"}, {"name": "db"}]
    print_list(documents, LAYOUT, row, Style("json", no_trunc=True, colour="never"))
    assert capsys.readouterr().out == '{"name":"web"}\n{"name":"db"}\n'
    print_list(documents, LAYOUT, row, Style("table", no_trunc=True, colour="never"))
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "NAME",
        "web",
        "db",
    ]

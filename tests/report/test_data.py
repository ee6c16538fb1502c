"""The population beside the page is whole, or not there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.report.data import DataFile


def test_the_file_is_what_the_page_says_of_it(tmp_path: Path) -> None:
    path = tmp_path / "starts.ndjson"
    with DataFile(path) as file:
        for number in range(5):
            file.add({"number": number, "name": "\u202e"})
        made = file.finish()
    raw = path.read_bytes()
    assert (made.starts, made.bytes) == (5, len(raw))
    assert made.sha256 == hashlib.sha256(raw).hexdigest()
    assert [json.loads(line)["number"] for line in raw.splitlines()] == list(range(5))
    assert raw.isascii()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_report_that_does_not_finish_leaves_an_older_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "starts.ndjson"
    path.write_text("older")
    with DataFile(path) as file:
        file.add({})
    assert [one.name for one in tmp_path.iterdir()] == ["starts.ndjson"]
    assert path.read_text() == "older"


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / ".starts.new").symlink_to("victim")
    with DataFile(tmp_path / "starts") as file:
        file.finish()
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable):
        DataFile(tmp_path / "none" / "starts")

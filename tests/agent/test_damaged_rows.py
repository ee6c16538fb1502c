"""Rows that the judge could not read are kept for a person."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from sensor.agent import damaged_rows
from sensor.agent.damaged_rows import NAME, move_aside


def test_rows_are_kept_whole_and_the_next_damage_takes_their_place(tmp_path: Path) -> None:
    assert move_aside(tmp_path, [("node", "user/0", b"old")]).endswith(str(tmp_path / NAME))
    move_aside(tmp_path, [("profile", "name/\udcff", b"\xff\x00")])
    kept = msgpack.unpackb((tmp_path / NAME).read_bytes(), unicode_errors="surrogatepass")
    assert kept == [["profile", "name/\udcff", b"\xff\x00"]]
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    for name in (NAME, f"{NAME}.new"):
        (tmp_path / name).symlink_to(other)
    move_aside(tmp_path, [("node", "user/0", b"old")])
    assert other.read_text() == "mine"
    assert not (tmp_path / NAME).is_symlink()


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged_rows, "BYTES_MAX", 100)
    move_aside(tmp_path, [("node", str(number), b"x" * 40) for number in range(10)])
    assert len(msgpack.unpackb((tmp_path / NAME).read_bytes())) == 2


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    said = move_aside(tmp_path / "gone", [("node", "user/0", b"old")])
    assert said.startswith("were left out, and could not be moved aside: ")

"""The host's zone, by the name that /etc/localtime has or by what it holds."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensor.agent import host_zone
from sensor.agent.host_zone import local_zone, zone_of

DATABASE = Path("/usr/share/zoneinfo")
BERLIN = DATABASE / "Europe/Berlin"
SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def localtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "localtime"
    monkeypatch.setattr(host_zone, "LOCALTIME", path)
    return path


def hour() -> int:
    return SUMMER.astimezone(local_zone()).hour


def test_zones_are_those_of_the_host() -> None:
    assert zone_of("Europe/Berlin") is not None
    assert zone_of(None) is not None
    for wrong in ("Mars/Base", "../../etc/passwd", "\0", ""):
        with pytest.raises(ValueError, match="not a known zone"):
            zone_of(wrong)


def test_a_link_into_the_database_names_the_zone(localtime: Path) -> None:
    localtime.symlink_to(BERLIN)
    assert str(local_zone()) == "Europe/Berlin"
    assert hour() == 14


def test_a_copy_of_a_zone_is_that_zone(localtime: Path) -> None:
    shutil.copy(BERLIN, localtime)
    assert hour() == 14


def test_a_host_without_a_zone_has_utc(localtime: Path) -> None:
    assert local_zone() is UTC
    localtime.symlink_to(localtime)
    assert local_zone() is UTC


def test_a_zone_that_is_not_known_here_counts_as_utc(localtime: Path) -> None:
    localtime.symlink_to(DATABASE / "Mars/Base")
    assert local_zone() is UTC


@pytest.mark.parametrize("size", range(0, 900, 13))
def test_a_copy_that_is_cut_is_survived(localtime: Path, size: int) -> None:
    localtime.write_bytes(BERLIN.read_bytes()[:size])
    assert hour() in {12, 13, 14}


def test_a_copy_that_is_no_zone_counts_as_utc(localtime: Path) -> None:
    localtime.write_bytes(b"Europe/Berlin\n")
    assert local_zone() is UTC

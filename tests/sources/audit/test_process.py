"""A pid's start is believed only when the process is as old as its record."""

from __future__ import annotations

import os
from pathlib import Path

from sensor.model.process import NS_PER_TICK
from sensor.sources.audit.process import COARSE, start_time


def proc_with(tmp_path: Path, stat: bytes) -> Path:
    (tmp_path / "42").mkdir()
    (tmp_path / "42/stat").write_bytes(stat)
    return tmp_path


def stat_line(ticks: int, comm: bytes = b"a) R 1") -> bytes:
    return b"42 (" + comm + b") S " + b"0 " * 18 + str(ticks).encode() + b" 0 0\n"


def test_our_own_start_is_known() -> None:
    assert start_time(os.getpid(), 2**62) is not None


def test_a_process_that_is_gone_has_none(tmp_path: Path) -> None:
    assert start_time(42, 2**62, tmp_path) is None


def test_a_pid_that_was_given_away_again_has_none(tmp_path: Path) -> None:
    proc = proc_with(tmp_path, stat_line(100))
    started = 100 * NS_PER_TICK
    assert start_time(42, started + 1, proc) == started
    assert start_time(42, started - COARSE, proc) == started
    assert start_time(42, started - COARSE - 1, proc) is None


def test_a_broken_stat_has_none(tmp_path: Path) -> None:
    assert start_time(42, 2**62, proc_with(tmp_path, b"42 (x) S 1")) is None

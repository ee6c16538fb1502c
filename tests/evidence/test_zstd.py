"""zstd files are read and written, and a cut or hostile one is an error of the file."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sensor.errors import StateUnusable
from sensor.evidence import zstd

TEXT = b"".join(b'{"number":%d}\n' % number for number in range(20_000))


def packed(path: Path) -> bytes:
    with closing(zstd.writer(path)) as file:
        file.write(TEXT)
    return path.read_bytes()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    assert len(packed(path)) < len(TEXT) // 5
    with closing(zstd.reader(path)) as file:
        assert file.read() == TEXT


@pytest.mark.parametrize("cut", [1, 4, 500])
def test_a_file_that_was_cut_off_is_an_error(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(packed(tmp_path / "whole.zst")[:-cut])
    with closing(zstd.reader(path)) as file, pytest.raises(EOFError):
        file.read()


def test_noise_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(os.urandom(2000))
    with closing(zstd.reader(path)) as file, pytest.raises(EOFError):
        file.read()


def test_a_flipped_bit_is_an_error(tmp_path: Path) -> None:
    raw = bytearray(packed(tmp_path / "whole.zst"))
    raw[-2] ^= 1
    path = tmp_path / "a.zst"
    path.write_bytes(raw)
    with closing(zstd.reader(path)) as file, pytest.raises(EOFError):
        file.read()


def test_without_the_package_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(StateUnusable) as raised:
        zstd.reader(tmp_path / "a.zst")
    assert "python3-zstandard" in raised.value.fix


def test_the_zstd_command_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    packed(path)
    command = ["zstd", "-dc", str(path)]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout == TEXT

"""Lines come in from a plugin's pipe and from a log that is rotated, whole and once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import PermissionMissing
from sensor.sources.audit.lines import LINE_MAX, LineSplitter
from sensor.sources.audit.plugin import PluginReader
from sensor.sources.audit.tail import TailReader
from sensor.sources.audit.unavailable import AuditUnavailable
from tests.sources.audit.audit_text import line


def serials(reader: PluginReader | TailReader) -> list[int]:
    return [record.stamp.serial for record in reader.read()]


@given(st.lists(st.binary(max_size=30)), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(words: list[bytes], step: int) -> None:
    words = [word.replace(b"\n", b"") for word in words]
    data = b"".join(word + b"\n" for word in words)
    splitter = LineSplitter()
    found: list[bytes] = []
    for start in range(0, len(data), step):
        found += splitter.split(data[start : start + step])
    assert found == words


def test_a_line_without_end_is_dropped_and_the_next_is_read() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.split(b"x" * (LINE_MAX // 8)) == []
        assert len(splitter._rest) <= LINE_MAX
    assert splitter.split(b"x\ny\n") == [b"y"]
    assert splitter.oversized == 1


@pytest.fixture
def pipe() -> Iterator[tuple[PluginReader, int]]:
    read_end, write_end = os.pipe()
    reader = PluginReader(read_end)
    yield reader, write_end
    reader.close()


def test_a_plugin_reads_what_is_there_and_never_waits(pipe: tuple[PluginReader, int]) -> None:
    reader, write_end = pipe
    assert serials(reader) == []
    whole = line("EOE", "", 7)
    os.write(write_end, line("CWD", 'cwd="/"', 6) + b"\n" + whole[:20])
    assert serials(reader) == [6]
    os.write(write_end, whole[20:] + b"\nnonsense\n")
    assert serials(reader) == [7]
    assert reader.malformed == 1
    assert not reader.ended
    os.close(write_end)
    assert serials(reader) == []
    assert reader.ended


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.write_bytes(line("EOE", "", 1) + b"\n")
    return path


@pytest.fixture
def tail(log: Path) -> Iterator[TailReader]:
    reader = TailReader(log)
    yield reader
    reader.close()


def append(path: Path, *numbers: int) -> None:
    with path.open("ab") as file:
        for number in numbers:
            file.write(line("EOE", "", number) + b"\n")


def test_a_tail_begins_at_the_end(tail: TailReader, log: Path) -> None:
    assert serials(tail) == []
    append(log, 2)
    assert serials(tail) == [2]
    assert tail.descriptor is None


def test_a_tail_may_begin_at_the_start(log: Path) -> None:
    reader = TailReader(log, from_start=True)
    assert serials(reader) == [1]
    reader.close()


def test_a_renamed_log_is_read_to_its_end_and_then_the_new_one(tail: TailReader, log: Path) -> None:
    append(log, 2)
    log.rename(log.with_suffix(".1"))
    assert serials(tail) == [2]
    append(log.with_suffix(".1"), 3)
    append(log, 4)
    assert serials(tail) == [3, 4]
    assert tail.rotations == 1


def test_a_truncated_log_is_read_from_its_start(tail: TailReader, log: Path) -> None:
    append(log, 2, 3)
    assert serials(tail) == [2, 3]
    log.write_bytes(b"")
    append(log, 4)
    assert serials(tail) == [4]


def test_a_log_that_is_missing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable) as caught:
        TailReader(tmp_path / "audit.log")
    assert "auditd" in caught.value.fix


def test_a_log_that_may_not_be_read_says_what_to_do(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionMissing) as caught:
        TailReader(log)
    assert "log_group" in caught.value.fix

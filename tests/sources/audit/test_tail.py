"""Records of a log that is rotated come whole and once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.errors import PermissionMissing
from sensor.sources.audit.tail import TailReader
from sensor.sources.audit.unavailable import AuditUnavailable
from tests.sources.audit.audit_text import line
from tests.sources.audit.reader_serials import serials


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

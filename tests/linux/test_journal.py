"""Entries of the journal's native protocol, as a socket in the journal's place receives them."""

from __future__ import annotations

import logging
import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.linux import journal


def parse(raw: bytes) -> dict[str, str]:
    """Read an entry as systemd-journald does."""
    fields: dict[str, str] = {}
    while raw:
        line, _, rest = raw.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[key.decode()] = value.decode()
        raw = rest
    return fields


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.settimeout(5)
        yield listener


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_no_value_can_forge_a_field(value: str) -> None:
    assert parse(journal.entry({"MESSAGE": value, "PRIORITY": "6"})) == {
        "MESSAGE": value,
        "PRIORITY": "6",
    }


def test_a_record_has_its_fields(journald: socket.socket) -> None:
    below = logging.NullHandler()
    handler = journal.JournalHandler(below, Path(journald.getsockname()))
    logger = logging.getLogger("castoff-test.fields")
    logger.addHandler(handler)
    logger.propagate = False
    logger.warning("disk of %s\nis full", "node")
    fields = parse(journald.recv(65536))
    assert fields["MESSAGE"] == "disk of node\nis full"
    assert fields["PRIORITY"] == "4"
    assert fields["CASTOFF_LOGGER"] == "castoff-test.fields"
    assert fields["CODE_FUNC"] == "test_a_record_has_its_fields"


def test_what_the_journal_does_not_take_goes_to_the_handler_below(tmp_path: Path) -> None:
    class Kept(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.messages: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.messages.append(record.getMessage())

    below = Kept()
    logger = logging.getLogger("castoff-test.below")
    logger.addHandler(journal.JournalHandler(below, tmp_path / "nothing-listens"))
    logger.propagate = False
    logger.error("lost")
    assert below.messages == ["lost"]


def test_only_the_stream_that_systemd_made_is_the_journal() -> None:
    with tempfile.TemporaryFile() as file:
        status = os.fstat(file.fileno())
        ours = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert journal.is_stderr(ours, file.fileno())
        assert not journal.is_stderr({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not journal.is_stderr({}, file.fileno())
        assert not journal.is_stderr(ours, -1)

"""Records are read from datagrams and lines alike, and nothing breaks them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.sources.audit.record import RECORD_MAX, RecordStamp, from_datagram, from_line
from tests.sources.audit.audit_text import line


def datagram(number: int, text: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(text), number, 0, 0, 0) + text


def test_a_datagram_gives_type_stamp_and_text() -> None:
    found = from_datagram(datagram(1309, b'audit(1795494660.947:7): argc=1 a0="docker"'))
    assert found is not None
    assert found.type == "EXECVE"
    assert found.stamp == RecordStamp(1795494660, 947, 7)
    assert found.text == b'argc=1 a0="docker"'
    assert not found.alone
    assert found.stamp.ref == "1795494660.947:7"
    assert found.stamp.wall == 1_795_494_660_947_000_000


@pytest.mark.parametrize(
    ("number", "alone"),
    [(1300, False), (1006, False), (1320, False), (1400, False), (1112, True), (1700, True)],
)
def test_types_that_come_alone_are_known(number: int, *, alone: bool) -> None:
    found = from_datagram(datagram(number, b"audit(1.000:1): x"))
    assert found is not None
    assert found.alone is alone


def test_a_line_loses_its_node_and_its_enrichment() -> None:
    found = from_line(line("CWD", 'cwd="/tmp"', node="n1.example") + b"\x1dAUID=root\n")
    assert found is not None
    assert found.stamp.node == "n1.example"
    assert found.text == b'cwd="/tmp"'


def test_a_daemon_record_without_a_colon_is_a_record() -> None:
    found = from_line(b"type=DAEMON_CONFIG msg=audit(1490239800.477:34) config changed, auid=0")
    assert found is not None
    assert found.alone


def test_text_is_bounded() -> None:
    found = from_line(line("EXECVE", "a" * (2 * RECORD_MAX)))
    assert found is not None
    assert len(found.text) == RECORD_MAX


@pytest.mark.parametrize(
    "data",
    [b"", b"type=", b"type=SYSCALL msg=audit(", b"type=X msg=audit(1.1:)", b"audit(1.0:1): x"],
)
def test_what_is_not_a_record_is_none(data: bytes) -> None:
    assert from_line(data) is None
    assert from_datagram(data) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    from_line(data)
    from_datagram(data)
    from_datagram(datagram(1300, b"audit(" + data))
    from_line(b"type=SYSCALL msg=audit(1.0:1): " + data)

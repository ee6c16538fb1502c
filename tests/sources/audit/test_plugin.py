"""A plugin reads auditd's lines from a pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sensor.sources.audit.plugin import PluginReader
from tests.sources.audit.audit_text import line
from tests.sources.audit.reader_serials import serials


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

"""Pages of a damaged file are read without its trees."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.store.page_scan import PAGE_BYTES, PageFile, ScanCounts
from tests.store.damaged_files import EVENTS, check, salvaged


@settings(max_examples=12, deadline=None)
@given(size=st.integers(0, 1 << 24))
def test_a_file_cut_anywhere_is_read_up_to_there(sound: bytes, size: int) -> None:
    size %= len(sound)
    with tempfile.TemporaryDirectory() as base:
        found, result = salvaged(Path(base), sound[:size])
        check(found)
        assert result.events == len(found)
        assert result.lost != 0 or len(found) == EVENTS


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=3 * PAGE_BYTES))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as base:
        found, _ = salvaged(Path(base), data)
        assert found == {}


def test_a_scan_counts_what_it_met(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(sound)
    counts = ScanCounts()
    pages = PageFile(path)
    assert sum(1 for record in pages.records(counts) if len(record.values) == 12) == EVENTS
    assert counts.is_whole
    assert counts.pages == len(sound) // PAGE_BYTES
    pages.close()

"""A manifest comes from another place, and may hold anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.errors import StateUnusable
from sensor.evidence.manifest import FORMAT, NAME, Manifest, read

GOOD = Manifest(
    FORMAT, "node", None, "0f1e2d3c4b5a6978", "events.ndjson", "ab" * 32, 9, 2, 0, 1, 2,
    "00" * 32, "cd" * 32, None, None, "2026-11-29T00:00:00+00:00", "1", None, sound=True,
)  # fmt: skip


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(GOOD.text())
    assert read(tmp_path) == GOOD


def test_a_directory_without_one_has_none(tmp_path: Path) -> None:
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": "castoff.export/2"},
        {"events": "2"},
        {"events": True},
        {"file": "../../etc/shadow"},
        {"file": ""},
        {"digest": 7},
        {"before": "zz"},
        {"sound": "yes"},
        {"sha256": None},
    ],
)
def test_a_wrong_manifest_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps(json.loads(GOOD.text()) | change))
    with pytest.raises(StateUnusable):
        read(tmp_path)


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    raw: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / NAME).write_bytes(raw)
    with pytest.raises(StateUnusable):
        read(directory)

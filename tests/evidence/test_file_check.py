"""Shipped events by themselves: which files are read, and what they add up to."""

from __future__ import annotations

import gzip
from pathlib import Path

from sensor.evidence.comparison import ShipmentComparison
from sensor.evidence.file_check import read_shipped
from sensor.evidence.verdict import Findings, ShippedChecked
from tests.evidence.logs import make_log, shipped


def read(path: Path) -> tuple[ShippedChecked, list[str]]:
    findings = Findings()
    return read_shipped(path, ShipmentComparison(), findings), [one.what for one in findings.listed]


def test_a_directory_of_several_files_is_one_delivery(tmp_path: Path) -> None:
    lines = shipped(make_log(tmp_path / "state", 30))
    out = tmp_path / "out"
    out.mkdir()
    (out / "1.ndjson").write_bytes(b"".join(lines[:12]))
    (out / "2.ndjson.gz").write_bytes(gzip.compress(b"".join(lines[12:])))
    checked, found = read(out)
    assert not found
    assert (checked.events, checked.chained, len(checked.logs)) == (30, 21, 1)


def test_lines_without_a_place_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b'{"a":1}\n{"b":2}\n')
    checked, found = read(path)
    assert not found
    assert (checked.events, checked.without_place) == (0, 2)

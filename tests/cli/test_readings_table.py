"""How a record was read fits the terminal: one line where that is wide, else two."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.cli.readings_table import ReadingsTable
from sensor.model.control_plane import ControlRecord
from sensor.sources.controlplane.reader import Reader, read

CORPORA = Path(__file__).parents[1] / "corpora" / "controlplane"
FILES = sorted(
    path
    for path in CORPORA.glob("*/*")
    if path.suffix in {".json", ".jsonl", ".log"} and path.name != "expected.jsonl"
)


def records(path: Path) -> list[ControlRecord]:
    found = read([path.read_bytes()], Reader(str(path), whole=True))
    return [one for one in found if isinstance(one, ControlRecord)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("width", [80, 200])
def test_no_line_is_wider_than_the_terminal(path: Path, width: int) -> None:
    table = ReadingsTable(width)
    for record in records(path):
        lines = table.line(record).decode().splitlines()
        assert len(lines) == (2 if width == 80 else 1)
        assert all(len(line) <= width for line in lines)


def test_a_narrow_terminal_has_who_and_what_on_a_second_line() -> None:
    (record, *_) = records(CORPORA / "aws" / "cloudtrail.jsonl")
    first, second = ReadingsTable(80).line(record).decode().splitlines()
    assert first.split() == [
        "cloudtrail.jsonl:1",
        "03-02",
        "09:15:27",
        "requested",
        "start",
        "success",
    ]
    assert second.split()[:4] == ["alice", "ecs:RunTask", "Task", "payments:17"]


def test_the_names_of_the_columns_stand_above_them() -> None:
    for width in (80, 200, None):
        head = ReadingsTable(width).head().decode()
        (record, *_) = records(CORPORA / "aws" / "cloudtrail.jsonl")
        line = ReadingsTable(width).line(record).decode()
        assert head.index("START") == line.index("requested")


def test_a_wide_terminal_shows_whole_operations() -> None:
    """``deployments.patch`` and ``deployments.scale.patch`` differ at their ends only."""
    operations = {one.request.action for one in records(CORPORA / "gcp" / "gke-audit.jsonl")}
    for width in (200, None):
        shown = b"".join(
            ReadingsTable(width).line(one) for one in records(CORPORA / "gcp" / "gke-audit.jsonl")
        ).decode()
        assert all(operation is not None and operation in shown for operation in operations)


def test_a_pipe_gets_whole_names() -> None:
    found = records(CORPORA / "kubernetes" / "recorded-kubelet.jsonl")
    assert any(b"kube-system:" in ReadingsTable(None).line(one) for one in found)


def test_an_operation_of_azure_is_shown_without_its_provider() -> None:
    (record, *_) = records(CORPORA / "azure" / "activity-rest.jsonl")
    assert b"  containerGroups/write  ContainerGroup" in ReadingsTable(80).line(record)

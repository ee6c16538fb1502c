"""What is kept of the runs of guests."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.vm import support

FILE = "tests/vm/test_kernels.py"


@pytest.fixture(autouse=True)
def own_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(support, "RESULTS", tmp_path / "support.json")


def played(
    monkeypatch: pytest.MonkeyPatch, kernel: str, outcomes: dict[str, str], *, part: bool
) -> support.Cell:
    """One session of one guest; returns what is kept of its cell."""
    monkeypatch.setattr(support, "_cells", {})
    monkeypatch.setattr(support, "_ended", defaultdict(list))
    support.booted(f"{FILE}::test_x[trixie-a]", "trixie", [{"what": "boot", "kernel": kernel}])
    for name, outcome in outcomes.items():
        support.ended(f"{FILE}::test_x[trixie-{name}]", outcome)
    support.save(part=part)
    return support.load()["kernels trixie, a part" if part else "kernels trixie"]


def test_two_parts_of_one_day_are_one_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"a": "failed", "b": "failed", "c": "passed", "d": "skipped"}
    played(monkeypatch, "6.12", first, part=True)
    cell = played(monkeypatch, "6.12", {"a": "passed", "e": "passed"}, part=True)
    assert cell.part == ["a", "b", "c", "d", "e"]
    assert (cell.passed, cell.failed, cell.skipped) == (
        3,
        ["test_x[trixie-b]"],
        ["test_x[trixie-d]"],
    )


def test_a_part_on_another_kernel_replaces_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, "6.12", {"a": "failed"}, part=True)
    cell = played(monkeypatch, "6.13", {"b": "passed"}, part=True)
    assert (cell.part, cell.passed, cell.failed) == (["b"], 1, [])


def test_a_part_leaves_a_whole_run_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, "6.12", {"a": "passed", "b": "failed"}, part=False)
    played(monkeypatch, "6.12", {"b": "passed"}, part=True)
    assert support.load()["kernels trixie"].failed == ["test_x[trixie-b]"]


def test_a_whole_run_replaces_the_part_before(monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, "6.12", {"b": "failed"}, part=True)
    played(monkeypatch, "6.12", {"a": "passed", "b": "passed"}, part=False)
    assert list(support.load()) == ["kernels trixie"]

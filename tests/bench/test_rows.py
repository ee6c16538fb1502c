"""The table of a bench, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.machine import machine
from bench.rows import Row, missed, table, write_json


def row(*, met: bool | None) -> Row:
    return Row("what", "1 ms", None if met is None else "2 ms", met, "make bench", {"ms": 1.0})


@pytest.mark.parametrize(
    ("met", "verdict", "count"),
    [
        pytest.param(True, "met", 0, id="met"),
        pytest.param(False, "NOT MET", 1, id="missed"),
        pytest.param(None, "-", 0, id="no-target"),
    ],
)
def test_a_row_says_whether_its_target_is_met(
    *, met: bool | None, verdict: str, count: int
) -> None:
    rows = [row(met=met)]
    assert table(rows).splitlines()[2].split("|")[4].strip() == verdict
    assert missed(rows) == count


def test_the_lines_of_a_table_are_equally_long() -> None:
    lines = table([row(met=True), Row("longer than that", "", None, None, "c")]).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_programs_get_the_machine_and_the_numbers(tmp_path: Path) -> None:
    here = machine()
    write_json(tmp_path / "numbers.json", here, [row(met=True)])
    document = json.loads((tmp_path / "numbers.json").read_text())
    assert document["machine"]["cores"] == here.cores
    assert document["rows"][0]["values"] == {"ms": 1.0}

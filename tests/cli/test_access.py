"""``castoff access`` on the machine that runs the tests."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from sensor.cli.main import castoff
from tests.evidence.logs import make_log


def test_a_person_and_a_program_read_the_same_ways(tmp_path: Path) -> None:
    make_log(tmp_path, 3)
    runner = CliRunner()
    table = runner.invoke(castoff, ["access", "--log", str(tmp_path)])
    assert table.exit_code == 0, table.output
    assert "account with uid 0:\n    root: uid 0" in table.output
    made = runner.invoke(castoff, ["access", "--log", str(tmp_path), "-o", "json"])
    rows = [json.loads(line) for line in made.output.splitlines()]
    ways = [row for row in rows if "who" in row]
    assert any(row["kind"] == "account with uid 0" and row["who"] == "root" for row in ways)
    assert all({"evidence", "grave", "last_use", "unused"} <= set(row) for row in ways)
    assert all(row["who"] in table.output for row in ways if row["who"].isalnum())

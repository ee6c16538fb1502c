"""``castoff export``: what it writes, prints and returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sensor.cli.main import castoff
from tests.evidence.logs import make_log, rename, rewrite


def run(*arguments: str | Path) -> Result:
    runner = CliRunner(mix_stderr=False)
    return runner.invoke(castoff, [str(one) for one in arguments])


def manifest(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
    return found


def test_an_export_is_written_printed_and_verified(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 20)
    done = run("export", "--log", tmp_path / "state", "-o", tmp_path / "out", "--zstd")
    assert done.exit_code == 0, done.stderr
    made = manifest(tmp_path / "out")
    assert (made["events"], made["file"]) == (20, "events.ndjson.zst")
    assert done.stdout == (
        f"{tmp_path / 'out'}: 20 events of log {made['log_id']}, numbers 1 to 20,"
        f" digest {made['digest']}\n"
    )
    checked = run("verify", "--log", tmp_path / "state", "--against", tmp_path / "out")
    assert checked.exit_code == 0, checked.stdout


def test_an_export_of_a_broken_chain_fails_and_names_the_place(tmp_path: Path) -> None:
    rewrite(make_log(tmp_path / "state", 20), 7, rename)
    done = run("export", "--log", tmp_path / "state", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "number 7" in done.stderr
    assert manifest(tmp_path / "out")["sound"] is False


def test_the_policy_in_force_is_in_the_manifest(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 3)
    config = tmp_path / "castoff.toml"
    config.write_text("")
    (tmp_path / "policy.toml").write_text("")
    arguments = ("--log", tmp_path / "state", "--config", config)
    done = run("export", *arguments, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert len(manifest(tmp_path / "out")["policy"]) == 64


def test_an_export_of_an_empty_log_says_that_it_holds_nothing(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 0)
    done = run("export", "--log", tmp_path / "state", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'out'}: 0 events of log ")
    assert run("verify", "--against", tmp_path / "out").exit_code == 0

"""``castoff export``: what it writes, prints and returns."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from sensor.cli.main import castoff
from tests.evidence.logs import make_log, rename, rewrite


def run(*arguments: str | Path) -> Result:
    runner = CliRunner(mix_stderr=False)
    return runner.invoke(castoff, [str(one) for one in arguments])


def test_an_export_is_written_printed_and_verified(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 20)
    done = run("export", "--log", tmp_path / "state", "-o", tmp_path / "out", "--zstd")
    assert done.exit_code == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["events"], made["file"]) == (20, "events.ndjson.zst")
    checked = run("verify", "--log", tmp_path / "state", "--against", tmp_path / "out")
    assert checked.exit_code == 0, checked.stdout


def test_an_export_of_a_broken_chain_fails_and_names_the_place(tmp_path: Path) -> None:
    rewrite(make_log(tmp_path / "state", 20), 7, rename)
    done = run("export", "--log", tmp_path / "state", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "number 7" in done.stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["sound"] is False


def test_the_policy_in_force_is_in_the_manifest(tmp_path: Path) -> None:
    make_log(tmp_path / "state", 3)
    config = tmp_path / "castoff.toml"
    config.write_text("")
    (tmp_path / "policy.toml").write_text("")
    arguments = ("--log", tmp_path / "state", "--config", config)
    done = run("export", *arguments, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert len(json.loads(done.stdout)["policy"]) == 64

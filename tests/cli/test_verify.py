"""``castoff verify``: the exit code, what a person reads, and what a program does."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from sensor.cli.main import castoff
from tests.evidence.logs import execute, make_log, rename, rewrite, shipped


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(castoff, ["verify", *map(str, arguments)])


def test_a_sound_log_is_said_to_be_sound(tmp_path: Path) -> None:
    path = make_log(tmp_path, 20)
    done = verify("--log", tmp_path)
    assert done.exit_code == 0
    assert f"{path}: log " in done.output
    assert "events 1 to 20, head " in done.output
    assert "sound: nothing is missing and nothing was changed" in done.output


def test_a_changed_event_is_named_and_the_command_fails(tmp_path: Path) -> None:
    rewrite(make_log(tmp_path, 20), 7, rename)
    done = verify("--log", tmp_path)
    assert done.exit_code == 1
    assert "number 7: the digest is not that of this event" in done.output
    assert "NOT SOUND: 1 finding without an explanation" in done.output


def test_a_program_reads_the_same(tmp_path: Path) -> None:
    execute(make_log(tmp_path, 20), "DELETE FROM event WHERE link IN (7, 8)")
    done = verify("--log", tmp_path, "-o", "json")
    answer = json.loads(done.output)
    assert answer["sound"] is False
    (finding,) = answer["findings"]["listed"]
    assert (finding["first"], finding["last"]) == (7, 8)


def test_shipped_events_are_checked_without_a_log(tmp_path: Path) -> None:
    file = tmp_path / "shipped.ndjson"
    file.write_bytes(b"".join(shipped(make_log(tmp_path / "state", 20))))
    config = tmp_path / "castoff.toml"
    config.write_text(f'[agent]\nstate_dir = "{tmp_path}/none"\n')
    done = verify("--config", config, "--against", file)
    assert done.exit_code == 0, done.output
    assert "11 digests computed from it alone" in done.output


def test_a_period_without_events_proves_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.touch()
    make_log(tmp_path, 3)
    done = verify("--log", tmp_path, "--since", "2100-01-01T00:00:00Z", "--against", empty)
    assert done.exit_code == 0
    assert f"{empty}: 0 events\n" in done.output
    assert "nothing to check: there are no events" in done.output
    assert "sound" not in done.output


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    done = verify("--log", tmp_path / "none")
    assert done.exit_code == 1
    assert "is missing" in str(done.exception)


def test_a_time_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    make_log(tmp_path, 3)
    assert verify("--log", tmp_path, "--since", "yesterday").exit_code == 2


def test_a_hostile_file_name_moves_no_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J.ndjson"
    file.write_bytes(b"not json\n")
    done = verify("--log", make_log(tmp_path / "state", 3), "--against", file)
    assert done.exit_code == 1
    assert "\x1b" not in done.output

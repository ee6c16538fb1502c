"""``castoff normalize`` reads files, directories and standard input."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sensor.cli.normalize import command

CORPORA = Path(__file__).parents[1] / "corpora" / "controlplane"
TRAIL = CORPORA / "aws" / "cloudtrail.jsonl"
ROOT = Path(__file__).parents[2]


def normalize(*arguments: object, given: bytes | None = None) -> Result:
    return CliRunner(mix_stderr=False).invoke(command, [str(one) for one in arguments], input=given)


def ids(result: Result) -> list[str]:
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_standard_input_a_file_and_a_directory_give_the_same_events(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json.gz").write_bytes(gzip.compress(TRAIL.read_bytes()))
    by_file = ids(normalize("aws", TRAIL))
    assert len(by_file) > 5
    assert ids(normalize("auto", given=TRAIL.read_bytes())) == by_file
    assert ids(normalize("auto", tmp_path)) == by_file


def test_a_bad_record_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "trail"
    file.write_bytes(b'{"eventName": \n' + TRAIL.read_bytes())
    result = normalize("aws", file)
    assert result.exit_code == 65
    assert f"{file}:1" in result.stderr
    assert ids(result) == ids(normalize("aws", TRAIL))


def test_a_file_of_another_program_is_said_to_be_one(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"level": "info"}\n')
    result = normalize("auto", file)
    assert result.exit_code == 65
    assert "unknown source" in result.stderr


def test_a_file_that_is_missing_is_an_error_with_its_name(tmp_path: Path) -> None:
    result = normalize("auto", tmp_path / "absent")
    assert result.exit_code != 0
    assert "absent" in str(result.exception)


def test_a_source_that_was_named_leaves_out_the_others() -> None:
    assert ids(normalize("docker", TRAIL)) == []


@pytest.mark.parametrize("form", ["ocsf", "ecs", "otel", "cloudevents"])
def test_each_format_has_a_line_an_event(form: str) -> None:
    lines = normalize("aws", TRAIL, "--format", form).stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == len(ids(normalize("aws", TRAIL)))


def test_an_explanation_shows_what_was_skipped_and_how_often() -> None:
    result = normalize("kubernetes", CORPORA / "kubernetes" / "recorded-1.36.jsonl", "--explain")
    assert "patch deployments/scale" in result.stdout
    assert "rollout" in result.stdout
    assert "failed" in result.stderr
    assert re.search(r"\d+ make no event: create pods/binding \(a step between", result.stderr)
    assert re.search(r"\d+ make no event: update \S+/status \(no container", result.stderr)


def test_an_explanation_shows_no_control_characters(tmp_path: Path) -> None:
    value = json.loads(TRAIL.read_text().splitlines()[0])
    value["userIdentity"]["userName"] = "\x1b[2Jroot\u202e"
    file = tmp_path / "trail"
    file.write_text(json.dumps(value))
    shown = normalize("aws", file, "--explain").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_link_and_a_fifo_in_a_directory_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(TRAIL)
    os.mkfifo(tmp_path / "fifo.jsonl")
    assert ids(normalize("auto", tmp_path)) == []


def test_a_directory_is_followed_through_rotation_and_replacement(tmp_path: Path) -> None:
    lines = TRAIL.read_bytes().splitlines(keepends=True)
    log = tmp_path / "audit.log"
    log.write_bytes(b"".join(lines[:2]))
    out = tmp_path.parent / f"{tmp_path.name}.out"
    with out.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "sensor", "normalize", "auto", str(tmp_path), "--follow"],
            stdout=stream,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            seen(out, 2)
            with log.open("ab") as more:
                more.write(lines[2][:50])
                more.flush()
                time.sleep(0)
                more.write(lines[2][50:])
            seen(out, 3)
            log.rename(tmp_path / "audit-1.log")
            log.write_bytes(lines[3])
            seen(out, 4)
            (tmp_path / "late.json.gz").write_bytes(gzip.compress(lines[4]))
            seen(out, 5)
            log.write_bytes(b"")
            os.truncate(log, 0)
            with log.open("ab") as more:
                more.write(lines[5])
            seen(out, 6)
            process.terminate()
            _, errors = process.communicate(timeout=20)
            assert process.returncode == 0
            assert b"6 records read, 9 events" in errors
        finally:
            process.kill()
            process.communicate(timeout=20)


def seen(out: Path, count: int) -> None:
    """Wait for so many events of requests; explanations of tasks come beside them."""
    deadline = time.monotonic() + 30
    while requests(out) < count:
        assert time.monotonic() < deadline, out.read_text()
        time.sleep(0.05)
    assert requests(out) == count


def requests(out: Path) -> int:
    return out.read_bytes().count(b'"type":"container.start_requested"')

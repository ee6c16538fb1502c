"""The service reads directories into the outputs, goes on where it was, and loses nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRAIL = ROOT / "tests" / "corpora" / "controlplane" / "aws" / "cloudtrail.jsonl"
LINES = TRAIL.read_bytes().splitlines(keepends=True)


def configured(directory: Path) -> Path:
    (directory / "in").mkdir()
    file = directory / "castoff.toml"
    file.write_text(
        f'[agent]\nstate_dir = "{directory / "state"}"\n'
        f'[outputs.file]\ntype = "jsonl"\npath = "{directory / "out.jsonl"}"\n'
    )
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


@contextmanager
def service(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sensor", "normalize", "auto"),
            *(str(config.parent / "in"), "--config", str(config)),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def out(config: Path) -> list[dict[str, Any]]:
    try:
        lines = (config.parent / "out.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def requests(config: Path) -> list[str]:
    return [one["id"] for one in out(config) if one["request"] is not None]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_records_go_to_the_outputs_and_a_restart_repeats_none(config: Path) -> None:
    log = config.parent / "in" / "trail.log"
    log.write_bytes(b"".join(LINES[:3]) + LINES[3][:40])
    with service(config):
        until(lambda: len(requests(config)) == 3)
        until((config.parent / "state" / "places.json").exists)
        time.sleep(0)
    with log.open("ab") as more:
        more.write(LINES[3][40:] + LINES[4])
    with service(config):
        until(lambda: len(requests(config)) == 5)
    assert len(set(requests(config))) == 5
    kinds = {one["sensor"]["action"] for one in out(config) if one["sensor"]}
    assert kinds == {"alive"}
    refs = [one["request"]["ref"]["line"] for one in out(config) if one["request"]]
    assert refs == [1, 2, 3, 4, 5]


def test_what_was_read_before_a_kill_is_not_lost(config: Path) -> None:
    log = config.parent / "in" / "trail.log"
    log.write_bytes(b"".join(LINES[:2]))
    with service(config) as process:
        until(lambda: len(requests(config)) == 2)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    with log.open("ab") as more:
        more.write(LINES[4])
    with service(config):
        until(lambda: len(set(requests(config))) == 3)


def test_records_that_cannot_be_read_are_a_gap(config: Path) -> None:
    (config.parent / "in" / "trail.log").write_bytes(b'{"eventName": \n' + LINES[0])
    with service(config):
        until(lambda: any(one["type"] == "gap" for one in out(config)))
    (gap,) = [one["gap"] for one in out(config) if one["gap"] is not None]
    assert (gap["source"], gap["lost"]) == ("normalize", 1)


def test_two_services_do_not_share_a_directory(config: Path) -> None:
    with service(config):
        until((config.parent / "state" / "normalize.lock").exists)
        until(lambda: bool(out(config)))
        with service(config) as second:
            assert second.wait(timeout=40) == 75


def test_damaged_places_are_read_as_none(config: Path) -> None:
    (config.parent / "in" / "trail.log").write_bytes(LINES[0])
    (config.parent / "state").mkdir()
    (config.parent / "state" / "places.json").write_text('{"tails": [[1, 2]]}')
    with service(config):
        until(lambda: len(requests(config)) == 1)


def test_it_needs_no_rights() -> None:
    """Directories of pytest are closed to others, so this one is made beside them."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up its rights")
    with tempfile.TemporaryDirectory() as made:
        config = configured(Path(made))
        (config.parent / "in" / "trail.log").write_bytes(LINES[0])
        for path in (config.parent, *config.parent.rglob("*")):
            os.chown(path, 65534, 65534)
        config.parent.chmod(0o755)
        process = subprocess.Popen(
            [
                *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
                *("--bounding-set=-all", sys.executable, "-m", "sensor", "normalize", "auto"),
                *(str(config.parent / "in"), "--config", str(config)),
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        try:
            until(lambda: len(requests(config)) == 1 or process.poll() is not None)
            assert requests(config)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_records_of_a_year_ago_are_kept_from_when_they_came(tmp_path: Path) -> None:
    """``store.max_age_days`` is 30, and the records below are older; a collector is away."""
    old = [line.replace(b'"2026-', b'"2024-') for line in LINES[:3]]
    config = configured(tmp_path)
    (tmp_path / "in" / "trail.log").write_bytes(b"".join(old))
    text = config.read_text()
    config.write_text(text.partition("[outputs")[0])
    with service(config):
        until((tmp_path / "state" / "places.json").exists)
    with closing(sqlite3.connect(tmp_path / "state" / "castoff.db")) as log:
        ages = [age for (age,) in log.execute("SELECT time + lag FROM event")]
    assert len(ages) == 5  # also the sign of life, and who asked for the task
    assert min(ages) > (time.time() - 3600) * 1e9
    config.write_text(text)
    with service(config):
        until(lambda: len(requests(config)) == 3)
    assert [one for one in out(config) if one["gap"] is not None] == []

"""``castoff salvage``: a damaged log by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sensor.store.database import FILE_NAME
from tests.store.entries import fill, made


def salvage(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sensor", "salvage", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_events_of_a_damaged_log_are_printed_and_the_returncode_says_that_some_may_be_missing(
    tmp_path: Path,
) -> None:
    fill(tmp_path, *(made(number) for number in range(300)))
    path = tmp_path / FILE_NAME
    whole = salvage(path)
    assert whole.returncode == 0
    lines = [json.loads(line) for line in whole.stdout.splitlines()]
    assert [line["number"] for line in lines] == list(range(300))
    assert whole.stderr == "300 events read\n"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    data[18] ^= 1
    leaves = [at for at in range(4096, len(data), 4096) if data[at] == 0x0D and data[at + 4] > 20]
    data[leaves[-1] + 3000 : leaves[-1] + 3200] = b"\xff" * 200
    path.write_bytes(data)
    damaged = salvage(path)
    assert damaged.returncode == 1
    found = {json.loads(line)["number"] for line in damaged.stdout.splitlines()}
    assert found < set(range(300))
    assert len(found) > 150
    assert "more may be missing" in damaged.stderr


def test_a_file_that_is_not_a_log_has_no_events(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"rubbish" * 1000)
    done = salvage(path)
    assert (done.returncode, done.stdout) == (1, "")

"""The transport of files: what its disk does becomes an outcome, and nothing waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from sensor.outputs.delivery import Batch, ConnectionStatus, Delivered, Record, Retry
from sensor.outputs.engine.window import make_batch
from sensor.outputs.file.jsonl import OUTPUT, JsonlFile, JsonlSettings
from sensor.outputs.formats.native import FORMAT
from sensor.outputs.registry import Surroundings, format_of
from sensor.schema import document
from tests.outputs.sample_events import HOST, START


def batch(*numbers: int) -> Batch:
    records = [
        Record(number, f"id-{number}", "container.start", 0, b'{"number":%d}\n' % number)
        for number in numbers
    ]
    return make_batch("stream", records)


def test_what_was_delivered_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    async def main() -> None:
        file = OUTPUT.make(JsonlSettings(path), FORMAT, Surroundings(HOST, "0.1.0", "local"))
        assert file.connection == ConnectionStatus(str(path), connected=False)
        first, second = await asyncio.gather(file.deliver(batch(1, 2)), file.deliver(batch(3)))
        both = first, second
        assert both == (Delivered(), Delivered())
        assert file.connection == ConnectionStatus(str(path), connected=True)
        await file.close()

    asyncio.run(main())
    assert path.read_bytes() == b'{"number":1}\n{"number":2}\n{"number":3}\n'


def test_an_entry_that_is_not_an_event_is_rejected_and_the_others_are_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    bad = Record(2, "id-2", "container.start", 0, b"garbled")
    good = started()

    async def main() -> None:
        file = JsonlFile(JsonlSettings(path), format_of("ocsf"), "local")
        outcome = await file.deliver(make_batch("stream", [bad, good]))
        assert isinstance(outcome, Delivered)
        assert [one.sequence for one in outcome.rejected] == [2]
        await file.close()

    asyncio.run(main())
    (line,) = path.read_bytes().splitlines()
    assert json.loads(line)["class_uid"] == 1007


def started() -> Record:
    return Record(3, START.id, START.type, 0, document.encode_line(START))


@pytest.mark.parametrize("kind", ["missing", "symlink", "fifo"])
def test_a_path_that_cannot_be_written_is_a_retry_with_the_reason(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "events.jsonl"
    if kind == "missing":
        path = tmp_path / "nowhere" / "events.jsonl"
    elif kind == "symlink":
        path.symlink_to("/etc/passwd")
    else:
        os.mkfifo(path)

    async def main() -> None:
        file = JsonlFile(JsonlSettings(path), FORMAT, "local")
        outcome = await file.deliver(batch(1))
        assert isinstance(outcome, Retry)
        assert str(path) in outcome.reason
        await file.close()

    asyncio.run(main())


def test_a_disk_that_hangs_is_a_retry_and_holds_no_more_than_its_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: gate.wait())

    async def main() -> None:
        file = JsonlFile(JsonlSettings(tmp_path / "x.jsonl"), FORMAT, "local", seconds=0.05)
        for number in range(6):
            outcome = await file.deliver(batch(number))
            assert isinstance(outcome, Retry)
            assert "does not answer" in outcome.reason
        assert file._disk.waiting <= file.window + 1
        gate.set()
        await file.close()

    asyncio.run(main())

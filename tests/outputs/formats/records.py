"""Records for the tests of the formats: every golden event, a sample of each type, hostile ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

from sensor.model.events import Container, Event, InitiatorProcess, InitiatorUser
from sensor.outputs.delivery import Record
from sensor.outputs.formats.reading import wall_of
from sensor.schema.document import encode_line
from tests.outputs.sample_events import CONTAINER, EVENTS, INITIATOR, POD, START

GOLDEN = Path(__file__).parents[2] / "golden"


def record_of(line: bytes, sequence: int = 1) -> Record:
    document = json.loads(line)
    return Record(sequence, document["id"], document["type"], wall_of(document["time"]), line)


def record(event: Event) -> Record:
    return record_of(encode_line(event))


def remade(document: dict[str, Any]) -> Record:
    return record_of(json.dumps(document).encode() + b"\n")


def golden_records() -> dict[str, Record]:
    return {
        f"{path.stem}:{number}": record_of(line, number)
        for path in sorted(GOLDEN.glob("*.jsonl"))
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1)
    }


def with_container(**parts: Any) -> Event:
    container: Container = dataclasses.replace(CONTAINER, **parts)
    return dataclasses.replace(START, container=container, orchestrator=POD)


AWFUL: Final = "\x1b[2J\x1b]0;x\x07|=\\\r\n\u202e\u2066\x9b\x7f\x00\ud800\udcff{}\u2028\U0001f40b"

HOSTILE: Final[dict[str, Event]] = {
    "awful name": with_container(name=AWFUL),
    "awful labels": with_container(labels=((AWFUL, AWFUL), ("", ""), ("a.b", "1"), ("a", "2"))),
    "awful arguments": with_container(command=(AWFUL, "", "'"), user=AWFUL, cgroup=AWFUL),
    "a label of 64 KiB": with_container(labels=(("k" * 65536, "v" * 65536),)),
    "a thousand labels": with_container(labels=tuple((f"l{n}", "x" * 99) for n in range(1000))),
    "a thousand arguments": with_container(command=("x" * 4000,) * 1000),
    "an awful initiator": dataclasses.replace(
        START,
        initiator=dataclasses.replace(
            INITIATOR,
            process=InitiatorProcess(1, None, AWFUL, (AWFUL,) * 300, AWFUL, AWFUL),
            user=InitiatorUser(0, AWFUL, 0, AWFUL, 0),
        ),
    ),
}

RECORDS: Final[dict[str, Record]] = {
    **golden_records(),
    **{f"sample:{name}": record(event) for name, event in EVENTS.items()},
    **{f"hostile:{name}": record(event) for name, event in HOSTILE.items()},
}

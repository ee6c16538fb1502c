"""Batches of real events: what the golden captures give, and made-up ones in any number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sensor.outputs.delivery import Batch, Format, Record
from sensor.schema.document import encode_line
from tests.outputs.sample_events import START

GOLDEN = Path(__file__).parents[1] / "golden"
NATIVE = Format("native", "application/x-ndjson", lambda record: record.line, None)


def record_of(sequence: int, line: bytes, wall: int = 1_700_000_000_123_456_789) -> Record:
    event = json.loads(line)
    return Record(sequence, event["id"], event["type"], wall, line)


def golden_lines() -> list[bytes]:
    return [
        line
        for path in sorted(GOLDEN.glob("*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]


def golden_records() -> list[Record]:
    return [record_of(number, line) for number, line in enumerate(golden_lines(), 1)]


def starts(first: int, count: int) -> list[Record]:
    """Return records of starts with the sequences from ``first``, each with an id of its own."""
    event: dict[str, Any] = json.loads(encode_line(START))
    made = []
    for sequence in range(first, first + count):
        event["id"] = hashlib.sha256(b"%d" % sequence).hexdigest()[:32]
        made.append(record_of(sequence, json.dumps(event).encode() + b"\n"))
    return made


def batch_of(records: list[Record]) -> Batch:
    name = b"%d-%d" % (records[0].sequence, records[-1].sequence)
    return Batch(hashlib.sha256(name).digest()[:16], tuple(records))


def batches_of(records: list[Record], size: int = 100) -> list[Batch]:
    return [batch_of(records[at : at + size]) for at in range(0, len(records), size)]

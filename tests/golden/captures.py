"""The golden files: a capture of each behaviour, and the lines that its replay gives."""

from __future__ import annotations

from pathlib import Path

from sensor import __version__
from sensor.schema.document import encode_line
from sensor.sources.capture import Arrival, CaptureWriter, open_capture
from tests.golden.sanitise import events_of

HERE = Path(__file__).parent
SMALL = 20 * 1024
"""Bytes of a golden capture; from a larger one goes what its events do not need."""
SIZE_MAX = 24 * 1024
"""What is larger even so shows more than one behaviour."""


def captures() -> list[Path]:
    return sorted(HERE.glob("*.capture"))


def lines_of(capture: Path) -> Path:
    """Return the file of the lines that replaying ``capture`` gives."""
    return capture.with_suffix(".jsonl")


def read(capture: Path) -> list[Arrival]:
    with open_capture(capture) as reader:
        return list(reader)


def replay(arrivals: list[Arrival]) -> bytes:
    return b"".join(map(encode_line, events_of(arrivals)))


def write(name: str, arrivals: list[Arrival]) -> Path:
    """Write a capture that all users may read, in the place of the one before, and its lines."""
    capture = HERE / f"{name}.capture"
    capture.unlink(missing_ok=True)
    with CaptureWriter(capture, sensor=__version__) as writer:
        for arrival in arrivals:
            writer.write(arrival)
    capture.chmod(0o644)
    write_lines(capture)
    return capture


def write_lines(capture: Path) -> None:
    lines_of(capture).write_bytes(replay(read(capture)))

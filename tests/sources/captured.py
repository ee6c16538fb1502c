"""Captures in memory."""

from __future__ import annotations

import io
from pathlib import Path

import msgpack

from sensor.sources.capture import Arrival, CaptureReader, CaptureWriter
from sensor.sources.codec import layout_of


def read(data: bytes, *, tolerate_cut: bool = False) -> list[Arrival]:
    return list(CaptureReader(io.BytesIO(data), name="test", tolerate_cut=tolerate_cut))


def write(path: Path, *arrivals: Arrival) -> bytes:
    with CaptureWriter(path, sensor="0.1.0") as writer:
        for arrival in arrivals:
            assert writer.write(arrival)
    data = path.read_bytes()
    assert writer.written == len(data)
    return data


def header(**changes: object) -> dict[str, object]:
    return {
        "castoff": "capture",
        "version": 1,
        "created": 5,
        "sensor": "0.1.0",
        "layout": layout_of(Arrival),
    } | changes


def packed(*objects: object) -> bytes:
    return b"".join(msgpack.packb(one) for one in objects)


GOOD_ENTRY = [7, [["ClockSynced", 5, 6], ["CommandExit", 6, 1, [9, 4], 256, False]]]

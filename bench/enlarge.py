"""A long capture out of a short one: the same again and again, each time with other containers.

Repetition ``n`` comes after the one before it in time, and every container in it has an id and a
name of its own, so that the core has as much to remember as if all of it had happened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import sensor
from sensor.model.agent_records import HostFacts, ProbesAttached
from sensor.model.inventory import InventoryTaken, KnowledgeRestored
from sensor.sources.capture import Arrival, CaptureWriter, open_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ONCE = (HostFacts, ProbesAttached, InventoryTaken, KnowledgeRestored)
"""What an agent says at its start only, and what is reported of the time before it."""

TIMES = frozenset({"now", "time", "since", "seen", "start_time"})
WALL = "_wall"
BETWEEN = 1_000_000_000
"""Nanoseconds from the end of one repetition to the begin of the next."""

IDENTITY = re.compile(r"\b[0-9a-f]{64}\b|(?<=^castoff-bench-)[0-9a-f]{12}$")
"""Ids of containers, and names that the bench gave them."""


def enlarge(source: Path, target: Path, wanted: int) -> int:
    """Write a capture of at least ``wanted`` observations; returns how many it has."""
    with open_capture(source) as capture:
        arrivals = list(capture)
    rest = [
        Arrival(arrival.now, tuple(o for o in arrival.observations if not isinstance(o, ONCE)))
        for arrival in arrivals
    ]
    span = arrivals[-1].now - arrivals[0].now + BETWEEN
    count = 0
    with CaptureWriter(target, sensor=sensor.__version__) as writer:
        for number, arrival in _repeated(arrivals, rest):
            if number and count >= wanted and arrival is rest[0]:
                break
            moved = _shifter(number * span, number)(arrival) if number else arrival
            writer.write(moved)
            count += len(moved.observations)
    return count


def _repeated(first: list[Arrival], rest: list[Arrival]) -> Iterator[tuple[int, Arrival]]:
    for arrival in first:
        yield 0, arrival
    number = 0
    while True:
        number += 1
        for arrival in rest:
            yield number, arrival


@cache
def _shifter(later: int, number: int) -> Callable[[Any], Any]:
    """Return the function that makes repetition ``number`` of anything an arrival is made of."""

    def other(match: re.Match[str]) -> str:
        text = match[0]
        return hashlib.sha256(f"{number} {text}".encode()).hexdigest()[: len(text)]

    @cache
    def text(value: str) -> str:
        return IDENTITY.sub(other, value)

    def shift(value: object) -> object:
        if type(value) is str:
            return text(value)
        if type(value) is tuple:
            return tuple(map(shift, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            changes = {}
            for item in dataclasses.fields(value):
                old = getattr(value, item.name)
                timed = item.name in TIMES or item.name.endswith(WALL)
                changes[item.name] = old + later if timed and old is not None else shift(old)
            return dataclasses.replace(value, **changes)
        return value

    return shift

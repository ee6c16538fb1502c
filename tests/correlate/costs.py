"""Measure that a parser's cost grows with the length of its input and no faster."""

from __future__ import annotations

import time
from collections.abc import Callable

LENGTH = 4_000
TIMES = 8

ROUNDS = 5
"""A processor may get slow between two measurements. What is not linear is so in each round."""

LINES: dict[str, Callable[[int], list[str]]] = {
    "one-word": lambda length: ["x" * length],
    "words": lambda length: ["x"] * length,
    "bundle": lambda length: ["-" + "t" * length],
    "bundles": lambda length: ["-it"] * (length // 3),
    "dashes": lambda length: ["-" * length],
    "long-option": lambda length: ["--" + "b" * length],
    "options": lambda length: ["--b=c"] * (length // 5),
    "values": lambda length: ["--name", "y"] * (length // 7),
    "equals": lambda length: ["-" + "=" * length],
    "same-prefix": lambda length: ["--p"] * (length // 3),
}
"""Command lines that a careless parser looks through again and again, by the length asked for."""


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call, the least of several."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(4):
            work()
        best = min(best, time.process_time() - began)
    return best / 4


def is_linear(parse: Callable[[tuple[str, ...]], object], line: Callable[[int], list[str]]) -> bool:
    """Whether ``TIMES`` the length costs about ``TIMES`` as much: twice that, and a little."""
    short, long = tuple(line(LENGTH)), tuple(line(LENGTH * TIMES))
    for _ in range(ROUNDS):
        if seconds(lambda: parse(long)) < 2 * TIMES * seconds(lambda: parse(short)) + 0.002:
            return True
    return False

"""The tree of causes fits the terminal, and nothing in it acts on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensor.api.causes import CauseStep, Witnessed, steps
from sensor.cli.tree import TreeStyle
from sensor.schema.text import columns

GOLDEN = Path(__file__).parents[1] / "golden" / "docker_start_stopped.jsonl"
STARTS = [
    text
    for text in GOLDEN.read_text().splitlines()
    if json.loads(text)["type"] == "container.start"
]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize("start", STARTS)
def test_lines_fit_the_terminal(start: str, width: int) -> None:
    for line in TreeStyle(width).lines(steps(json.loads(start))):
        assert columns(line) <= max(width, 40), line


def test_nothing_of_it_reaches_the_terminal_as_it_is() -> None:
    evil = "\x1b[2J\u202e\nx"
    step = CauseStep("client", evil, evil, 1, "exact", (Witnessed("kernel", evil, None, evil),))
    for line in TreeStyle().lines([step, step]):
        assert line.isprintable(), line


def test_every_line_of_colour_ends_it() -> None:
    for line in TreeStyle(colour=True).lines(steps(json.loads(STARTS[0]))):
        assert line.endswith("\x1b[0m")

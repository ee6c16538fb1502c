"""What ``castoff doctor`` finds: one line each, and how it is shown."""

from __future__ import annotations

import textwrap
from enum import StrEnum, unique

import click

from sensor.dataclass import dataclass
from sensor.schema.text import visible

INDENT = 19
"""Columns before a finding's text."""
LEAST = 60
"""Columns to which a text is wrapped on any terminal."""


@unique
class Health(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    """Works without; something is lost by it."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class HostCheck:
    """What was looked at, how it is, what to do. ``details`` stand on lines of their own."""

    check: str
    health: Health
    text: str
    fix: str | None = None
    details: tuple[str, ...] = ()

    def lines(self, width: int | None, *, colour: bool) -> list[str]:
        """Return the lines for people; ``width`` is None where nothing is wrapped."""
        mark = self.health.value.ljust(5)
        if colour:
            mark = click.style(mark, fg=_COLOURS[self.health])
        texts = [self.text, *(f"- {detail}" for detail in self.details)]
        if self.fix is not None:
            texts.append(f"fix: {self.fix}")
        first, *rest = [line for text in texts for line in _wrapped(visible(text), width)]
        return [f"{mark} {self.check:<12} {first}", *(f"{'':{INDENT}}{line}" for line in rest)]


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None:
        return [text]
    room = max(LEAST, width) - INDENT
    return textwrap.wrap(text, room, subsequent_indent="  ", break_on_hyphens=False) or [""]


_COLOURS = {Health.OK: "green", Health.NOTE: "yellow", Health.FAIL: "red"}

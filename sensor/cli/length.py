"""A length of time as a person types it: ``30m``, ``2h``, ``1d12h``."""

from __future__ import annotations

import re

import click

_PARTS = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_SECONDS = (86_400, 3600, 60, 1)
_SHOWN = 32
"""Characters of a wrong text that the error repeats."""


class Length(click.ParamType):
    """Converts a length of time to whole seconds; wrong usage for anything else."""

    name = "length"

    def __init__(self, days: int) -> None:
        """``days`` is the longest that is taken."""
        self._days = days

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        """Return the seconds."""
        text = str(value).strip()
        match = _PARTS.fullmatch(text)
        seconds = 0
        if match is not None:
            parts = zip(match.groups(), _SECONDS, strict=True)
            seconds = sum(int(number) * size for number, size in parts if number)
        if not seconds:
            self.fail(
                f"{text[:_SHOWN]!r} is not a length of time: write 30m, 2h or 1d12h", param, ctx
            )
        if seconds > self._days * _SECONDS[0]:
            self.fail(f"{text[:_SHOWN]} is longer than {self._days}d", param, ctx)
        return seconds

"""Times as a person writes them in ``--since`` and ``--until``."""

from __future__ import annotations

import time

import click

from sensor.api.since import parse

NS = 1_000_000_000
OLDEST = 100_000_000 * NS
"""Unix seconds have nine digits or more; other times do not."""


def wall_time(option: str, text: str) -> int:
    """Return a time in ns since the epoch. Raises click's error, which names the option."""
    try:
        return parse(text, time.time_ns())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"--{option}") from error


def period(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Return both ends, None where one is open. Raises click's error where nothing lies between."""
    begin = None if since is None else wall_time("since", since)
    end = None if until is None else wall_time("until", until)
    if begin is not None and end is not None and end <= begin:
        raise click.BadParameter("the period ends before it begins", param_hint="--until")
    return begin, end


def unix_seconds(wall: int) -> str:
    """Return a time as the agent's queries take it: 10m means the same when it is asked again."""
    seconds, rest = divmod(max(wall, OLDEST), NS)
    return f"{seconds}.{rest:09d}"

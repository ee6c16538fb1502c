"""A week of three made-up nodes as their agents would log it, and one hostile name."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from bench.life_calendar import DAY
from bench.life_log import DAYS, SEEDS, WEEK, week
from bench.node_life import Life
from sensor.schema.document import encode_line
from sensor.schema.times import rfc3339
from tests.report.week import HOSTILE, Week

END = Life(SEEDS[0]).begin + DAYS * DAY
BEGIN = END - WEEK * DAY
NOW = END + DAY


@cache
def lines() -> tuple[bytes, ...]:
    """Return the events as a collector gives them out."""
    hostile = next(
        one for one in Week(1).events() if one["container"] and one["container"]["name"] == HOSTILE
    )
    hostile["time"] = hostile["observed"] = rfc3339(BEGIN + DAY)
    return (*map(encode_line, week()), json.dumps(hostile).encode() + b"\n")


def documents() -> list[dict[str, Any]]:
    """Return the same, taken apart."""
    return [json.loads(line) for line in lines()]

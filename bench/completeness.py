"""Whether every start is reported, whole and once."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from bench.burst import PARALLEL
from bench.progress import say
from bench.rows import Row
from lab.image import IMAGE

if TYPE_CHECKING:
    from bench.agent import Line
    from bench.burst import Burst

OTHERS = re.compile(r"castoff-(?!bench-).+-[0-9a-f]{12}")
"""Containers of tests, and those that only mark the end of something: true starts of others."""


def rows(burst: Burst, command: str) -> list[Row]:
    """Count the starts that are there, there twice, and there for no reason."""
    starts = [line for line in burst.lines if line.is_a("start")]
    ours = Counter(line.container["id"] for line in burst.of("start"))
    whole = {line.container["id"] for line in burst.of("start") if _is_whole(line, burst)}
    twice = sum(count - 1 for count in ours.values())
    extra = [line for line in starts if _is_extra(line, burst)]
    for line in extra:
        say(f"extra: {line.raw.decode()}")
    failed = sum(line.is_a("start_failed") for line in burst.lines)
    count = len(burst.names)
    return [
        Row(
            f"starts reported with id, image and name ({count} `docker run`, {PARALLEL} at a time)",
            f"{len(ours)} of {count}, {len(whole)} whole, {twice} twice,"
            f" {len(extra)} extra, {failed} called failed"
            + (f", {burst.unheard} around them not reported" if burst.unheard else ""),
            f"{count}, {count}, 0, 0",
            len(ours) == len(whole) == count and not (twice or extra or failed or burst.unheard),
            command,
            {
                "starts": count,
                "reported": len(ours),
                "whole": len(whole),
                "twice": twice,
                "extra": len(extra),
                "called_failed": failed,
                "unheard": burst.unheard,
            },
        )
    ]


def _is_extra(line: Line, burst: Burst) -> bool:
    container = line.container
    if container["id"] in burst.names:
        return False
    return not any(OTHERS.fullmatch(name or "") for name in (container["id"], container["name"]))


def _is_whole(line: Line, burst: Burst) -> bool:
    container = line.container
    return (
        container["name"] == burst.names[container["id"]]
        and container["image"] is not None
        and container["image"]["name"] == IMAGE
        and container["image"]["id"] == burst.image_id
    )

"""How far a long reading is, on the terminal of who waits for it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

EVERY = 500
"""Items between two looks at the clock."""
SECONDS = 0.5
"""Seconds between two lines; what is read in less shows none."""
_CLEAR = "\r\x1b[K"


def counting(
    items: Iterable[Item], what: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[Item]:
    """Yield the items, and meanwhile write their number to standard error if it is a terminal.

    The line is gone when the last item was taken. ``what`` follows the number: ``events read``.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    written, shown = clock(), False
    try:
        for number, item in enumerate(items, 1):
            yield item
            if number % EVERY == 0 and clock() - written >= SECONDS:
                written, shown = clock(), True
                sys.stderr.write(f"{_CLEAR}{number:,} {what}")
                sys.stderr.flush()
    finally:
        if shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02

T = TypeVar("T")


class NeverHappenedError(AssertionError):
    """A condition stayed false until its deadline."""


def until(condition: Callable[[], T | None], what: str, timeout: float = 20.0) -> T:
    """Return the first true answer of ``condition``.

    Raises :class:`NeverHappenedError` naming ``what`` after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NeverHappenedError(f"not within {timeout:g} s: {what}")
        time.sleep(POLL_SECONDS)

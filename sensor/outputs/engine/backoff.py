"""How long an output waits after a failure: exponential, with full jitter.

Full jitter (a random time between nothing and the limit) keeps ten thousand nodes from coming back
to a collector all at once.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from sensor.model.transitions import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.outputs.delivery import Retry

FIRST = 0.5
LAST = 60.0
"""Seconds: the limit after the first failure, which doubles up to the last."""
LEAST = 0.1
"""Seconds that are waited at least."""
MENDING_FIRST = 60.0
MENDING_LAST = 600.0
"""The same for what a person has to mend: keys, certificates, settings. At least half is waited."""
ASKED_MOST = 3600.0
"""Seconds that a collector may ask for."""


class Circuit(StrEnum):
    """Whether an output sends.

    ``closed``: as usual. ``open``: it failed, nothing is sent until the wait is over.
    ``half-open``: one batch is under way to see whether it works again.
    """

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitStep(Enum):
    """What moves a circuit."""

    FAILED = "an attempt failed"
    TRIED = "the wait is over"
    ACCEPTED = "the collector took events"


CIRCUIT = Machine(
    "circuit of an output",
    (Circuit.CLOSED,),
    {
        (Circuit.CLOSED, CircuitStep.FAILED): Circuit.OPEN,
        (Circuit.CLOSED, CircuitStep.ACCEPTED): Circuit.CLOSED,
        (Circuit.OPEN, CircuitStep.TRIED): Circuit.HALF_OPEN,
        (Circuit.HALF_OPEN, CircuitStep.ACCEPTED): Circuit.CLOSED,
        (Circuit.HALF_OPEN, CircuitStep.FAILED): Circuit.OPEN,
    },
)
"""What an open circuit's earlier attempts bring does not close it."""


class Backoff:
    """The waits of one output. ``random`` returns a number from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0

    def succeeded(self) -> None:
        """Begin with short waits again."""
        self._failures = 0

    def failed(self, retry: Retry) -> float:
        """Return how many seconds to wait after this failure."""
        doublings = min(self._failures, 16)
        self._failures += 1
        if retry.credentials or retry.configuration:
            limit = min(MENDING_LAST, MENDING_FIRST * (1 << doublings))
            wait = limit * (1 + self._random()) / 2
        else:
            wait = max(LEAST, min(LAST, FIRST * (1 << doublings)) * self._random())
        asked = retry.after
        # Not what is not a number: a comparison with NaN is false.
        if asked is not None and asked > wait:
            wait = min(asked, ASKED_MOST)
        return wait

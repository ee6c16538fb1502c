"""Who is at fault when a collector refuses events: the events, or the configuration. Pure.

Rules:

- an event that is refused alone is **held**. It becomes a dead letter only when the collector has
  proved that it accepts others: a fault of the configuration makes no dead letters;
- each accepted batch is a proof. What is held is tried once more then, and is a dead letter when it
  is refused again. The next ``REFUSALS_PER_PROOF`` events that are refused need no further proof;
- when ``limit`` events are held without a proof, or nothing is left to try, the configuration is
  blamed. After a long wait one of the held ones is tried again, another one each time;
- each blame in a row doubles the limit, so that a long run of bad events blocks no output forever.
"""

from __future__ import annotations

REFUSALS_PER_PROOF = 3
"""Dead letters that one accepted batch allows. More than a stray one at the end of the log needs;
few enough that a collector that begins to refuse everything costs no more than these."""

HELD_FIRST, HELD_MOST = 10, 640
"""Events that are held before the configuration is blamed: at first, and after many blames."""


class Suspicion:
    """The evidence of one output."""

    def __init__(self) -> None:
        self.limit = HELD_FIRST
        self.blames = 0
        """In a row."""
        self.proven = False
        """Whether the collector has accepted an event since the agent began."""
        self._allowed = 0

    def accepted(self) -> None:
        """Note that the collector accepted at least one event of a batch."""
        self.proven = True
        self.blames = 0
        self.limit = HELD_FIRST
        self._allowed = REFUSALS_PER_PROOF

    def condemns(self, events: int, *, tried_after_proof: bool) -> bool:
        """Return whether so many refused events become dead letters; they are held otherwise."""
        if tried_after_proof:
            return True
        if events > self._allowed:
            return False
        self._allowed -= events
        return True

    def blamed(self) -> None:
        """Note that the configuration was blamed."""
        self.blames += 1
        self.limit = min(HELD_MOST, self.limit * 2)
        self._allowed = 0

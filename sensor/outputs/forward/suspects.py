"""Which batches may be what makes a server give up: told from a server that is merely down.

Forward has no negative acknowledgement. A server that cannot take a chunk closes the connection, as
one that dies does. So a batch is refused only with a reason:

- it was first on a connection that was lost, ``LOSSES`` times, and others were acknowledged since
  the first of them; or
- it was so ``LOSSES_UNPROVEN`` times and has more than one event: halves are tried, which loses
  nothing. A single event is never refused without the proof.

A suspect lets others go first, so that there can be a proof.
"""

from __future__ import annotations

from dataclasses import dataclass

LOSSES = 3
LOSSES_UNPROVEN = 6
SUSPECTS_MAX = 64


@dataclass(slots=True)
class _Suspicion:
    losses: int
    acknowledged: int


class Suspects:
    """The batches that were first on connections that were lost."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Suspicion] = {}
        self.acknowledged = 0
        """Chunks that were acknowledged so far."""

    def delivered(self, batch: bytes) -> None:
        """Note an acknowledgement."""
        self.acknowledged += 1
        self._known.pop(batch, None)

    def lost(self, batch: bytes) -> None:
        """Note that the batch was first on a connection that was lost."""
        suspicion = self._known.pop(batch, None) or _Suspicion(0, self.acknowledged)
        suspicion.losses += 1
        while len(self._known) >= SUSPECTS_MAX:
            del self._known[next(iter(self._known))]
        self._known[batch] = suspicion

    def waits(self, batch: bytes) -> bool:
        """Whether others should go first."""
        suspicion = self._known.get(batch)
        return suspicion is not None and suspicion.losses >= LOSSES - 1

    def refused(self, batch: bytes, size: int) -> int:
        """Return the losses for which a batch of ``size`` events is refused, 0 when it is not."""
        suspicion = self._known.get(batch)
        if suspicion is None:
            return 0
        proven = suspicion.acknowledged < self.acknowledged and suspicion.losses >= LOSSES
        guilty = proven or (size > 1 and suspicion.losses >= LOSSES_UNPROVEN)
        return suspicion.losses if guilty else 0

"""Which batches may make a server give up, as opposed to a server that is merely down.

Forward has no negative acknowledgement. A server that cannot take a chunk closes the connection, as
one that dies does. So a batch whose connection was lost ``LOSSES`` times is sent behind a probe, a
chunk without events: when that is acknowledged and the batch still breaks the connection,
``PROOFS`` times, it is refused. A server that is down acknowledges no probe.

A server may not answer chunks without events. Then a batch of more than one event is refused after
``LOSSES_UNPROVEN``: halves are tried, which loses nothing. A single event never is without proof.
"""

from __future__ import annotations

from sensor.dataclass import dataclass

LOSSES = 2
PROOFS = 5
LOSSES_UNPROVEN = 8
SUSPECTS_MAX = 64


@dataclass(slots=True)
class _Suspicion:
    losses: int = 0
    proofs: int = 0
    probed: bool = False


class Suspects:
    """The batches that were first on connections that were lost."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Suspicion] = {}

    def delivered(self, batch: bytes) -> None:
        """Note an acknowledgement."""
        self._known.pop(batch, None)

    def lost(self, batch: bytes) -> None:
        """Note that the batch was first on a connection that was lost, or its probe was."""
        suspicion = self._known.pop(batch, None) or _Suspicion()
        suspicion.losses += 1
        suspicion.proofs += suspicion.probed
        suspicion.probed = False
        while len(self._known) >= SUSPECTS_MAX:
            del self._known[next(iter(self._known))]
        self._known[batch] = suspicion

    def wants_probe(self, batch: bytes) -> bool:
        """Whether the batch is to be sent behind a probe."""
        suspicion = self._known.get(batch)
        return suspicion is not None and suspicion.losses >= LOSSES

    def probed(self, batch: bytes) -> None:
        """Note that a probe was acknowledged, behind which the batch is sent now."""
        if batch in self._known:
            self._known[batch].probed = True

    def refused(self, batch: bytes, size: int) -> int:
        """Return the losses for which a batch of ``size`` events is refused, 0 when it is not."""
        suspicion = self._known.get(batch)
        if suspicion is None:
            return 0
        guilty = suspicion.proofs >= PROOFS or (size > 1 and suspicion.losses >= LOSSES_UNPROVEN)
        return suspicion.losses if guilty else 0
